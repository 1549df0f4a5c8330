"""Listing, copying and reading logs with no mount: exact names, nothing outside, nothing half done."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import kvmnb
from kvmnb.errors import BadValue, NoFuse, NotFound, ReadOnly, Refused
from kvmnb.guests import copying, fuse
from kvmnb.programs import find
from tests.daemon import program
from tests.guests import journal, tree
from tests.guests.house import House


@pytest.fixture
def no_fuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide FUSE from the kit's own look at what is there."""
    monkeypatch.setattr(fuse, "find", lambda name: None if "fuser" in name else find(name))


@pytest.mark.usefixtures("no_fuse")
def test_a_folder_of_hostile_names(house: House) -> None:
    house.guest("vm1")
    before = house.sums()
    with kvmnb.connect(house.daemon.uri) as host:
        with (
            pytest.raises(NoFuse, match=r"fusermount is not installed.*kvmnb\.copy_out"),
            kvmnb.mount(host, "vm1"),
        ):
            pass
        frame = kvmnb.ls(host, "vm1", "/hostile")
    assert house.sums() == before
    assert sorted(os.fsencode(name) for name in frame["name"]) == sorted(tree.NAMES)
    assert set(frame["source"]) == {"appliance"}
    assert set(frame["status"]) == {"ok"}
    assert set(frame["size"]) == {len("hostile\n")}
    assert set(frame["modified"]) == {pd.Timestamp(tree.WRITTEN, unit="s", tz="UTC")}
    shown = kvmnb.show(frame, "all")
    assert all(line.isprintable() for line in repr(shown).splitlines())
    assert len(repr(shown).splitlines()) == 1 + len(tree.NAMES)
    assert "<img" not in shown._repr_html_()


def test_what_entries_are(house: House) -> None:
    house.guest("vm1")
    house.guest("dirty", "dirty.raw")
    before = house.sums()
    etc = kvmnb.ls(house.host, "vm1", "etc").set_index("name")
    assert {name: etc["target"][name] for name in etc.index[etc["type"] == "link"]} == {
        name.removeprefix("etc/"): target for name, target in tree.LINKS.items() if name.startswith("etc/")
    }
    assert list(kvmnb.ls(house.host, "vm1", "/etc/folder")["name"]) == ["Berlin"]  # a link to a folder
    assert list(kvmnb.ls(house.host, "dirty", device="/dev/sda")["name"]) == ["lost+found", "note"]
    with kvmnb.mount(house.host, "vm1") as root:
        mounted = kvmnb.ls(root / "etc").set_index("name")
        assert set(mounted["source"]) == {"mount"}
        same = ["type", "size", "mode", "owner", "group", "modified", "target"]
        pd.testing.assert_frame_equal(mounted[same], etc[same])
        kinds = kvmnb.ls(root / "dev").set_index("name")["type"]
        assert dict(kinds) == {"disk": "block device", "pipe": "pipe"}
        _stay_inside(root)
    assert house.sums() == before


def _stay_inside(root: Path) -> None:
    """Links lead where they lead in the guest, and what would not answer is never opened."""
    assert kvmnb.inside(root, "etc/up") == root / "etc/hostname"
    assert kvmnb.inside(root, "/../../etc/folder/Berlin") == root / "usr/share/zone/Berlin"
    assert kvmnb.inside(root, "/") == root
    with pytest.raises(NotFound, match="'/etc/shadow' in the guest"):
        kvmnb.inside(root, "/etc/host")  # this machine has one, the guest has none
    with pytest.raises(kvmnb.KvmnbError, match="in a circle"):
        kvmnb.inside(root, "/etc/round")
    for name in ("/dev/pipe", "/dev/disk", "/var/log/syslog"):
        with pytest.raises(BadValue, match="neither a file nor a folder"):
            kvmnb.inside(root, name)


@pytest.mark.usefixtures("no_fuse")
def test_copying_out(house: House, tmp_path: Path) -> None:
    house.guest("vm1")
    before = house.sums()
    told: list[tuple[int, int]] = []
    frame = kvmnb.copy_out(
        house.host,
        "vm1",
        ["/etc", "hostile", "/data/secret", "/etc/localtime"],
        tmp_path,
        progress=lambda _words: lambda done, total: told.append((done, total)),
    )
    assert house.sums() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc", "hostile", "localtime", "secret"]
    assert (tmp_path / "etc/sub/deep").read_text() == "deep\n"
    assert (tmp_path / "localtime").read_text() == "the guest's own zone\n"
    assert sorted(os.listdir(os.fsencode(tmp_path / "hostile"))) == sorted(tree.NAMES)  # noqa: PTH208 - as bytes
    secret = (tmp_path / "secret").stat()
    assert (secret.st_mode & 0o7777, secret.st_uid, secret.st_mtime) == (0o750, os.getuid(), tree.WRITTEN)
    assert list(frame[frame["path"] == "/etc/localtime"]["status"]) == ["not copied", "ok"]  # link, and file
    links = frame[frame["status"] != "ok"].set_index("path")
    assert sorted(links.index) == sorted(f"/{name}" for name in tree.LINKS if name.startswith("etc/"))
    assert links["copy"].isna().all()
    assert not (tmp_path / "etc/localtime").is_symlink()
    assert all(Path(copy).exists() for copy in frame["copy"].dropna())
    assert (
        told[-1][0]
        == told[-1][1]
        == frame[(frame["type"] == "file") & (frame["status"] == "ok")]["size"].sum()
    )
    with pytest.raises(Refused, match="Nothing was copied: there is something at"):
        kvmnb.copy_out(house.host, "vm1", ["/data", "/etc"], tmp_path)
    with pytest.raises(NotFound, match="/nowhere"):
        kvmnb.copy_out(house.host, "vm1", ["/data", "/nowhere"], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc", "hostile", "localtime", "secret"]


@pytest.mark.usefixtures("no_fuse")
def test_copying_in(house: House, tmp_path: Path) -> None:
    house.guest("vm1")
    folder = tmp_path / "conf"
    folder.mkdir()
    for raw in tree.NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_bytes(raw)
    (folder / "out").symlink_to("/etc/shadow")
    script = tmp_path / "mend.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    link = tmp_path / "by a link.sh"
    link.symlink_to("mend.sh")
    device = "/dev/centos/root"  # to look for the system would take as long again
    frame = kvmnb.copy_in(house.host, "vm1", [folder, script, link], "/etc/sub", device)
    assert list(frame[frame["status"] != "ok"]["path"]) == [str(folder / "out")]
    with pytest.raises(Refused, match=r"'/etc/sub/mend.sh' already"):
        kvmnb.copy_in(house.host, "vm1", [script], "/etc/sub", device)
    back = tmp_path / "back"
    back.mkdir()
    kvmnb.copy_out(house.host, "vm1", "/etc/sub", back, device)
    assert sorted(path.name for path in (back / "sub").iterdir()) == [
        "by a link.sh",
        "conf",
        "deep",
        "mend.sh",
    ]
    assert (back / "sub/by a link.sh").read_text() == "#!/bin/sh\n"
    assert (back / "sub/mend.sh").stat().st_mode & 0o777 == 0o755
    found = {os.fsencode(path.name): path.read_bytes() for path in (back / "sub/conf").iterdir()}
    assert found == {raw: raw for raw in tree.NAMES}


@pytest.mark.usefixtures("no_fuse")
def test_why_it_does_not_boot(house: House) -> None:
    house.guest("vm1")
    before = house.sums()
    frame = kvmnb.tail_logs(house.host, "vm1", lines=3)
    assert house.sums() == before
    messages = frame[frame["log"] == "/var/log/messages"]
    assert list(messages["line"]) == [*tree.MESSAGES[-2:], tree.CAUSE]
    assert list(messages["number"]) == [-3, -2, -1]
    other = frame[frame["line"].isna()].set_index("log")["status"]
    assert other["/var/log/syslog"] in {"no file", "missing"}  # it leads to a pipe, which is not opened
    assert other["/var/log/boot.log"] == "empty"
    assert other["/var/log/dmesg"] == "missing"
    entries = frame[frame["log"] == "/var/log/journal"]
    if (house.images / "log").exists():  # a journal could be made here
        assert len(entries) == 3
        assert entries["line"].str.endswith(f": {journal.ENTRIES[-1]}").any()
        assert entries["line"].iloc[-1].endswith(": Journal stopped")
    else:
        assert list(entries["status"]) == ["empty"]
    assert "\\x1b[31m" in repr(kvmnb.show(frame))
    assert "\x1b" not in repr(kvmnb.show(frame))


def test_odd_asking_is_refused(house: House, tmp_path: Path) -> None:
    house.guest("vm1")
    with kvmnb.connect(house.daemon.uri) as host, pytest.raises(ReadOnly):
        kvmnb.copy_in(host, "vm1", __file__, "/etc")
    for paths in ("/", [], ["/etc/a", "/usr/a"], "/etc/../usr", "a\0b"):
        with pytest.raises(BadValue):
            kvmnb.copy_out(house.host, "vm1", paths, tmp_path)
    with pytest.raises(NotFound, match="no folder"):
        kvmnb.copy_out(house.host, "vm1", "/etc", tmp_path / "nowhere")
    with pytest.raises(BadValue):
        kvmnb.copy_in(house.host, "vm1", [], "/etc")
    for nameless in ("/", tmp_path / ".."):
        with pytest.raises(BadValue, match="what it is to be called"):
            kvmnb.copy_in(house.host, "vm1", nameless, "/etc")
    with pytest.raises(NotFound, match="nowhere"):
        kvmnb.copy_in(house.host, "vm1", tmp_path / "nowhere", "/etc")
    with pytest.raises(BadValue):
        kvmnb.tail_logs(house.host, "vm1", lines=0)
    with pytest.raises(NotFound, match="vm1"):
        kvmnb.ls(house.host, "vm2")


def test_a_running_guest_can_be_read(house: House) -> None:
    house.guest("vm1")
    house.daemon.virsh("start", "vm1", "--paused")
    before = house.sums()
    data = kvmnb.ls(house.host, "vm1", "/data/secret").iloc[0]
    assert (data["name"], data["type"], data["mode"]) == ("secret", "file", "4750")
    assert (data["owner"], data["group"], data["size"]) == (1001, 1002, 6)
    with pytest.raises(Refused, match="'vm1' is paused"), kvmnb.mount(house.host, "vm1", readonly=False):
        pass
    assert house.sums() == before


def test_logs_that_cannot_be_read_are_not_empty(house: House) -> None:
    image = house.kinds.path("odd.raw")
    shutil.copyfile(house.images / image.name, image)
    (house.folder / "nothing.raw").write_bytes(bytes(1 << 20))
    house.kinds.guest("odd", (image.name, "raw"), ("nothing.raw", "raw"))
    frame = kvmnb.tail_logs(house.host, "odd", lines=100_000)
    messages = frame[frame["log"] == "/var/log/messages"]
    assert set(messages["line"]) == {tree.LONG_LINE}
    assert len(messages) == (1 << 20) // (len(tree.LONG_LINE) + 1)
    others = frame[frame["line"].isna()].set_index("log")
    assert others["status"]["/var/log/journal"] == "damaged"
    assert others["status"]["/var/log/dmesg"] == "unreadable"  # its file system cannot be mounted
    assert "could not be mounted" in others["reason"]["/var/log/dmesg"]
    assert others["status"]["/var/log/syslog"] == "missing"


def test_what_there_is_no_room_for_here_is_not_begun(house: House, tmp_path: Path) -> None:
    house.guest("odd", "odd.raw")
    with pytest.raises(Refused, match=rf"no room at {tmp_path}: the files are \d+ bytes"):
        kvmnb.copy_out(house.host, "odd", ["/etc", "/endless"], tmp_path, "/dev/sda")
    assert list(tmp_path.iterdir()) == []


def test_a_guest_without_room_stays_as_it_was(house: House, tmp_path: Path) -> None:
    image = house.guest("small", "blank.raw")
    (tmp_path / "large").write_bytes(b"x" * (40 << 20))
    with pytest.raises(Refused, match=r"no room at / in guest small: .*Free some space"):
        kvmnb.copy_in(house.host, "small", tmp_path / "large", "/", "/dev/sda")
    listed = subprocess.check_output(
        [program("debugfs", "e2fsprogs"), "-R", "ls -p /", image], stderr=subprocess.DEVNULL, text=True
    )
    names = {line.split("/")[5] for line in listed.splitlines() if line}
    assert names == {".", "..", "lost+found", "note"}
    subprocess.run([program("e2fsck", "e2fsprogs"), "-fn", image], check=True, capture_output=True)


def test_a_name_that_differs_in_case_alone_is_not_replaced(house: House, tmp_path: Path) -> None:
    image = house.guest("fat", "fat.raw")
    (tmp_path / "readme").write_text("new content")
    with pytest.raises(Refused, match="'/readme' already"):
        kvmnb.copy_in(house.host, "fat", tmp_path / "readme", "/", "/dev/sda")
    pair = tmp_path / "pair"
    pair.mkdir()
    for name in "Aa":
        (pair / name).write_text(f"new content {name}")
    with pytest.raises(Refused, match=r"'/pair/[Aa]' already"):
        kvmnb.copy_in(house.host, "fat", pair, "/", "/dev/sda")
    found = image.read_bytes()
    assert b"old content" in found
    assert b"PAIR" not in found  # it never got its name


def test_copies_that_cannot_all_have_their_names_have_none(tmp_path: Path) -> None:
    part, into = tmp_path / "part", tmp_path / "into"
    for folder in (part / "0", part / "1", into / "second"):
        folder.mkdir(parents=True)
    (into / "second/mine").touch()
    for number, name in enumerate(("first", "second")):
        (part / str(number) / name).touch()
    with pytest.raises(Refused, match=r"there is something at .*second"):
        copying._publish(part, into, ["first", "second"])
    assert [path.name for path in into.iterdir()] == ["second"]
    assert [path.name for path in (into / "second").iterdir()] == ["mine"]


def test_times_beyond_all_frames_are_not_told(tmp_path: Path) -> None:
    for name, year in (("early", -15_000_000_000), ("late", 12_000_000_000), ("usual", tree.WRITTEN)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (year, year))
    if (tmp_path / "late").stat().st_mtime < 12_000_000_000:
        pytest.skip("this machine's own file system holds no such times")
    frame = kvmnb.ls(tmp_path).set_index("name")
    assert frame["status"]["usual"] == "ok"
    assert frame["status"]["late"] == "unreadable"
    assert pd.isna(frame["modified"]["late"])
    assert frame["type"]["late"] == "file"
