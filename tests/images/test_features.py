"""What a format can do is what plain commands show; an encrypted image does not show what is in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kvmnb.images import features as room
from kvmnb.images.candidates import CANDIDATES, Candidate
from kvmnb.images.features import find_encryption, find_features
from tests.images import by_hand
from tests.images.by_hand import du, info, tried
from tests.images.places import MIB, NOT_ROOT, fill, small_disk

_NAMED = {candidate.name: candidate for candidate in CANDIDATES}


def _by_hand(candidate: Candidate, folder: Path) -> dict[str, bool]:
    """Try each feature as an operator would."""
    kind, words = candidate.format, by_hand.options(candidate.options)
    image, top, squeezed, plain = (folder / name for name in ("image", "top", "squeezed", "plain"))
    by_hand.img("create", "-q", "-f", kind, *words, image, "16M")
    by_hand.io(kind, image, "write -q -P 1 0 1M")
    opened = f"driver={kind},file.driver=file,file.filename={image}"
    can = {"snapshots": tried("qemu-img", "snapshot", "-c", "s", "--image-opts", opened)}
    can["overlays"] = tried("qemu-img", "create", "-f", kind, *words, "-b", image, "-F", kind, top)
    below = folder / "below"
    can["base"] = tried("qemu-img", "create", "-f", "qcow2", "-b", image, "-F", kind, below) and tried(
        "qemu-io", "-f", "qcow2", "-c", "read -q -P 1 0 1M", below
    )
    by_hand.img("convert", "-f", kind, "-O", kind, *words, image, plain)
    worked = tried("qemu-img", "convert", "-c", "-f", kind, "-O", kind, *words, image, squeezed)
    can["compression"] = worked and du(squeezed) < du(plain) - MIB // 2
    if can["snapshots"]:
        by_hand.img("snapshot", "-d", "s", image)
    for name, size in (("grow", 32 * MIB), ("shrink", 8 * MIB)):
        resized = tried("qemu-img", "resize", "--shrink", "-f", kind, image, str(size))
        can[name] = resized and info(kind, image)["virtual-size"] == size
    return can


@pytest.mark.parametrize("name", ["raw", "qcow2", "qcow2 metadata", "qcow", "vmdk", "vpc", "qed"])
def test_features_are_what_plain_commands_show(tmp_path: Path, name: str) -> None:
    candidate = _NAMED[name]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    found = find_features(candidate, ours)
    assert found.can == _by_hand(candidate, theirs)
    without = {reason.partition(":")[0] for reason in found.reasons}
    assert without == {feature for feature, can in found.can.items() if not can}
    assert list(ours.iterdir()) == []


def test_a_compressing_vmdk_is_one_that_streams(tmp_path: Path) -> None:
    stream = Candidate("stream", "vmdk", (("subformat", "streamOptimized"),))
    assert find_features(stream, tmp_path).can["compression"] is True


def test_an_encrypted_image_does_not_show_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    kept, remove = [], Path.unlink

    def keep(path: Path, missing_ok: bool = False) -> None:
        if path.name == "image" and path.parent == ours:
            kept.append(path.read_bytes())
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", keep)
    found = find_encryption(_NAMED["qcow2"], ours)
    assert (found.can, found.cipher, found.reasons) == ({"encryption": True}, "luks", [])
    [content] = kept
    assert b"LUKS\xba\xbe" in content
    assert b"\x6b" * 64 not in content
    monkeypatch.undo()
    plain = tmp_path / "plain"
    by_hand.img("create", "-q", "-f", "qcow2", plain, "16M")
    by_hand.io("qcow2", plain, "write -q -P 0x6b 0 1M")
    assert b"\x6b" * 64 in plain.read_bytes()  # so it would have been seen
    image = tmp_path / "encrypted"
    image.write_bytes(content)
    assert info("qcow2", image)["encrypted"] is True
    assert not tried("qemu-io", "-f", "qcow2", "-c", "read 0 1M", image)  # without the key


@pytest.mark.parametrize(("name", "cipher"), [("qcow", "aes"), ("vdi", None), ("raw", None)])
def test_formats_that_encrypt_badly_or_not_at_all(tmp_path: Path, name: str, cipher: str | None) -> None:
    found = find_encryption(_NAMED[name], tmp_path)
    assert (found.can["encryption"], found.cipher) == (cipher is not None, cipher)
    assert found.reasons[0].startswith("encryption with luks: ")
    assert list(tmp_path.iterdir()) == []


@NOT_ROOT
def test_what_could_not_be_tried_is_unknown_not_missing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4 * MIB) as place:
        work = place / "work"
        work.mkdir()
        filler = fill(place, but=64 << 10)
        found = find_features(_NAMED["qcow2"], work)
        assert set(found.can.values()) == {None}, (found.can, found.reasons)
        assert find_encryption(_NAMED["qcow2"], work).can == {"encryption": None}
        filler.unlink()
        fill(place)
        assert find_encryption(_NAMED["qcow2"], work).can == {"encryption": None}
        assert list(work.iterdir()) == []


def test_a_processor_too_busy_for_luks_is_no_lack_of_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = room._BUSY
    command = tmp_path / "bin" / "qemu-img"
    command.parent.mkdir()
    # The weaker cipher would work: it is not to be taken for the best.
    command.write_text(
        f"#!/bin/sh\ncase $* in *format=luks*) echo 'qemu-img: x: {said}' >&2; exit 1;; esac\n"
        f'exec {shutil.which("qemu-img")} "$@"\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    work = tmp_path / "work"
    work.mkdir()
    found = find_encryption(_NAMED["qcow2"], work)
    assert (found.can, found.cipher) == ({"encryption": None}, None)
    assert [said in reason for reason in found.reasons] == [True]
