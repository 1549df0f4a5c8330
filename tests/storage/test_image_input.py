"""What qemu-img could not do is refused before it is tried, with the field that it belongs to."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kvmnb
from kvmnb.errors import ActionFailed, BadValue, ProgramFailed, Refused
from kvmnb.images import qemu_img
from kvmnb.storage.action import Action
from kvmnb.storage.actions.image_conversion import COMPRESSIBLE
from kvmnb.storage.image_rules import CREATABLE, LARGEST_SIZES
from tests.storage.builders import MIB, Site
from tests.storage.image_cases import made

Make = Callable[[str], Action]


def _new(size: int = MIB, format: str = "qcow2", options: str = "", **fields: Any) -> Make:  # noqa: ANN401
    return lambda folder: kvmnb.CreateImage(f"{folder}/new.img", size, format, options, **fields)


def _at(path: str) -> Make:
    return lambda folder: kvmnb.CreateImage(path.replace("HERE", folder), MIB)


def _copy(options: str = "", format: str = "qcow2", *, compress: bool = False, source: str = "qcow2") -> Make:
    return lambda folder: kvmnb.ConvertImage(
        f"{folder}/a.qcow2", source, f"{folder}/copy", format, options, compress
    )


def _resize(size: int, format: str = "qcow2", name: str = "a.qcow2", **fields: bool) -> Make:
    return lambda folder: kvmnb.ResizeImage(f"{folder}/{name}", format, size, **fields)


_BAD: list[tuple[Make, str, str]] = [
    (_at("new.img"), "path", "is no absolute path"),
    (_at("HERE/../new.img"), "path", "is not a plain path"),
    (_at("HERE/new\0.img"), "path", "is not a plain path"),
    (_at("HERE/\ud800"), "path", "holds what no path can hold"),
    (_at("HERE/absent/new.img"), "path", "does not exist"),
    (_at("HERE/a.qcow2/new.img"), "path", "is no folder"),
    (_at("HERE/a.qcow2"), "path", "Something lies at"),
    (_at("HERE/-x"), "path", "begins with '-'"),
    (_at("HERE/a:b"), "path", "holds ':'"),
    (_at("HERE/a\nb"), "path", "holds '\\n'"),
    (_new(0), "size", "The size is 0 bytes"),
    (_new(1000), "size", "no multiple of 512"),
    (_new(2**62, "qcow2"), "options", "too large"),
    (_new(MIB, "nope"), "format", "is no format to make"),
    (_new(MIB, "nbd"), "format", "is no format to make"),
    (_new(MIB, "luks"), "format", "wants a secret"),
    (_new(options="zz=1"), "options", "qcow2 has no option 'zz'"),
    (_new(options="zz"), "options", "is no NAME=VALUE"),
    (_new(options="cluster_size=1000"), "options", "power of two"),
    (_new(options="cluster_size=banana"), "options", "expects"),
    (_new(options="backing_file=/etc/passwd"), "options", "is not for the options"),
    (_new(options="data_file=/etc/passwd"), "options", "is not for the options"),
    (_new(options="encrypt.format=luks"), "options", "wants a secret"),
    (_new(format="vmdk", options="subformat=monolithicFlat"), "options", "has several files"),
    (_new(1 << 50, "raw", "preallocation=full"), "size", "free, less than the 1 PiB"),
    (_new(1 << 42, "raw", "preallocation=falloc"), "size", "free, less than the 4 TiB"),
    (_new(format="raw", backing_path="/etc/passwd", backing_format="raw"), "format", "can be no overlay"),
    (_new(backing_path="/etc/passwd"), "backing_format", "'' is no format"),
    (_new(backing_format="raw"), "backing_path", "was said"),
    (_new(backing_path="passwd", backing_format="raw"), "backing_path", "no absolute path"),
    (_copy(source="vmdk"), "source_format", "cannot be read as vmdk"),
    (_copy(source=""), "source_format", "'' is no format"),
    (_copy(format="raw", compress=True), "compress", "raw images cannot be compressed"),
    (_copy(format="qcow", compress=True), "compress", "qcow images cannot be compressed"),
    (_copy("preallocation=full", compress=True), "compress", "cannot be preallocated"),
    (_copy("zz=1"), "options", "has no option 'zz'"),
    (_resize(4 * MIB), "shrink", "would lose its end"),
    (_resize(1000), "size", "no multiple of 512"),
    (_resize(MIB, "vdi"), "format", "vdi images cannot be resized"),
    (_resize(MIB, name="absent"), "path", "There is nothing at"),
    (_resize(MIB, name="."), "path", "is not a plain path"),
    (lambda f: kvmnb.DeleteImage(f, f.rpartition("/")[2]), "path", "no file but a directory"),
    (lambda f: kvmnb.DeleteImage(f"{f}/link", "link"), "path", "is a link"),
    (lambda f: kvmnb.DeleteImage(f"{f}/a.qcow2"), "confirm", "cannot be undone"),
    (lambda f: kvmnb.RepairImage(f"{f}/leaking"), "confirm", "cannot be undone"),
    (lambda f: kvmnb.CreateSnapshot(f"{f}/a.qcow2", "12"), "name", "could be taken for a snapshot's number"),
    (lambda f: kvmnb.CreateSnapshot(f"{f}/a.qcow2", "x" * 256), "name", "too long"),
    (lambda f: kvmnb.CreateSnapshot(f"{f}/a.qcow2", "a\nb"), "name", "control characters"),
    (lambda f: kvmnb.ApplySnapshot(f"{f}/with.qcow2", "one"), "confirm", "cannot be undone"),
    (lambda f: kvmnb.DeleteSnapshot(f"{f}/with.qcow2", "one"), "confirm", "cannot be undone"),
    (lambda f: kvmnb.ResizeImage(f"{f}/with.qcow2", "qcow2", MIB, shrink=True), "size", "snapshot(s)"),
]


@pytest.fixture
def folder(site: Site) -> str:
    """Give a folder with an image, one with a snapshot, one with a leak, and a link."""
    path = made(site.folder / "a.qcow2")
    with_snapshot = made(site.folder / "with.qcow2")
    qemu_img.snapshot(with_snapshot, "qcow2", "create", "one")
    data = bytearray(path.read_bytes())
    table = int.from_bytes(data[int.from_bytes(data[48:56], "big") :][:8], "big")
    data[table + 80 : table + 82] = b"\0\1"
    (site.folder / "leaking").write_bytes(data.ljust(41 * 65536, b"\0"))
    (site.folder / "link").symlink_to(path)
    return str(site.folder)


@pytest.mark.parametrize(
    ("make", "field", "words"), _BAD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_it_is_refused_with_its_field(site: Site, folder: str, make: Make, field: str, words: str) -> None:
    action = make(folder)
    before = sorted(os.listdir(folder))  # noqa: PTH208
    problems = site.host.plan(action).problems
    assert any(words in problem.reason and problem.field == field for problem in problems), problems
    with pytest.raises(Refused):
        site.host.apply(action)
    assert sorted(os.listdir(folder)) == before  # noqa: PTH208


_ODD = ("", "a", "/", "//", "/a\0b/c", "/\ud800/c", "/a/", "/..", "x" * 5000, "/" + "x" * 5000, "/a" * 3000)


@pytest.mark.parametrize("path", _ODD, ids=lambda path: ascii(path[:20]))
def test_no_path_is_too_odd_to_be_refused(site: Site, path: str) -> None:
    site.running()
    for action in (
        kvmnb.CreateImage(path, MIB),
        kvmnb.CreateImage("/absent/a", MIB, backing_path=path or "b", backing_format="raw"),
        kvmnb.ConvertImage(path, "raw", "/absent/a"),
        kvmnb.ConvertImage("/absent/a", "raw", path),
        kvmnb.ResizeImage(path, "qcow2", MIB),
        kvmnb.RepairImage(path),
        kvmnb.CreateSnapshot(path, "s"),
        kvmnb.ApplySnapshot(path, "s"),
        kvmnb.DeleteSnapshot(path, "s"),
        kvmnb.DeleteImage(path),
    ):
        plan = site.host.plan(action)
        assert plan.problems or (plan[0].already and isinstance(action, kvmnb.DeleteImage)), action
        assert all(problem.reason and problem.remedy for problem in plan.problems)
        assert plan._repr_html_()


@pytest.mark.parametrize("field", ["path", "format", "backing_path"])
def test_a_field_that_is_no_text_is_named(field: str) -> None:
    with pytest.raises(BadValue, match=f"The {field.replace('_', ' ')} of an image is text, not 3"):
        kvmnb.CreateImage(**{"path": "/a", "size": MIB, field: 3})  # type: ignore[arg-type]


def test_a_path_may_be_a_path_and_options_a_mapping(site: Site) -> None:
    action = kvmnb.CreateImage(
        site.folder / "a.img",  # type: ignore[arg-type]
        "8M",  # type: ignore[arg-type]
        options={"cluster_size": "1M", "extended_l2": True},  # type: ignore[arg-type]
    )
    assert action.path == str(site.folder / "a.img")
    assert action.options == "cluster_size=1M,extended_l2=on"
    site.host.apply(action)
    told = dict(qemu_img.info(action.path, "qcow2").options)
    assert (told["cluster_size"], told["extended_l2"]) == (str(MIB), "on")


@pytest.mark.parametrize("format", ["vpc", "vhdx", "qed"])
def test_the_largest_size_is_the_largest(tmp_path: Path, format: str) -> None:
    qemu_img.create(tmp_path / "a", format, LARGEST_SIZES[format])
    with pytest.raises(ProgramFailed):
        qemu_img.create(tmp_path / "b", format, LARGEST_SIZES[format] + 512)


def test_the_largest_vdi_is_the_largest(tmp_path: Path) -> None:  # making one writes 2 GiB of tables
    with pytest.raises(ProgramFailed, match=f"max supported is {LARGEST_SIZES['vdi']:#x}"):
        qemu_img.create(tmp_path / "b", "vdi", LARGEST_SIZES["vdi"] + 512)


@pytest.mark.parametrize("format", CREATABLE)
def test_what_only_qemu_img_knows_fails_in_its_words_and_leaves_nothing(site: Site, format: str) -> None:
    known = {"qed": "cluster_size=3", "vmdk": "subformat=x", "vpc": "subformat=x", "vhdx": "subformat=x"}
    if format not in known:
        assert qemu_img.create_options(format)
        return
    action = kvmnb.CreateImage(str(site.folder / "a.img"), MIB, format, known[format])
    with pytest.raises(ActionFailed, match="qemu-img failed"):
        site.host.apply(action)
    assert list(site.folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_yours_is_told(site: Site) -> None:
    assert any("may not write" in str(p) for p in site.host.plan(kvmnb.CreateImage("/etc/a", MIB)).problems)


@pytest.mark.parametrize("word", ["no", None, 0])
def test_no_word_is_taken_for_yes(word: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(BadValue, match="shrink is True or False"):
        kvmnb.ResizeImage("/a", "raw", MIB, shrink=word)
    with pytest.raises(BadValue, match="compress is True or False"):
        kvmnb.ConvertImage("/a", "raw", "/b", compress=word)


def test_what_qemu_img_says_names_the_place_and_no_folder_on_the_way(site: Site) -> None:
    path = str(site.folder / "a.vmdk")
    with pytest.raises(ActionFailed) as error:
        site.host.apply(kvmnb.CreateImage(path, MIB, "vmdk", "subformat=x"))
    assert ".kvmnb-" not in str(error.value)


def test_a_file_that_cannot_be_removed_is_told_in_words(site: Site) -> None:
    path = made(site.folder / "a.qcow2")
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, "+i", path], check=False).returncode:
        pytest.skip("this file system or user can make no file unchangeable")
    try:
        with pytest.raises(ActionFailed, match="could not be deleted: Operation not permitted"):
            site.host.apply(kvmnb.DeleteImage(str(path), confirm="a.qcow2"))
    finally:
        subprocess.run([chattr, "-i", path], check=True)


@pytest.mark.parametrize("format", COMPRESSIBLE)
def test_what_is_said_to_be_compressible_is(site: Site, format: str) -> None:
    source = made(site.folder / "a.qcow2")
    copy = kvmnb.ConvertImage(str(source), "qcow2", str(site.folder / "copy"), format, compress=True)
    assert site.host.apply(copy)["verified"].all()
