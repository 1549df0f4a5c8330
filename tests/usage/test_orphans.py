"""What no guest is known to use, each with what speaks against it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from kvmnb.images.headers import Qcow2
from kvmnb.storage.model import Volume
from kvmnb.usage.orphans import candidates, orphans
from tests.guests.holding import holding
from tests.storage.builders import MIB, Site, define_guest, file_disk, overlay, qemu_img
from tests.usage.hosts import File, MadeUp, guest, made_up, pool, rows

#: Longer ago than what counts as recent, in seconds.
_LONG = 40 * 86_400


def _old(path: Path) -> Path:
    """Have a file look as if nobody had touched it for long; when its inode changed cannot be set."""
    then = time.time() - _LONG
    os.utime(path, (then, then))
    return path


def _again(site: Site) -> None:
    """Make a second pool of the folder of the first, which libvirt allows only under another path."""
    (site.folder / "again").symlink_to(site.target)
    site.daemon.virsh("pool-define-as", "again", "dir", "--target", str(site.folder / "again"))
    site.daemon.virsh("pool-start", "again")


def _row(site: Site, name: str) -> dict[str, object]:
    frame = site.host.orphans()
    (row,) = frame[frame["volume"] == name].to_dict("records")
    return {str(key): value for key, value in row.items()}


def _doubts(site: Site, name: str) -> str:
    return "\n".join(_row(site, name)["doubts"])  # type: ignore[arg-type]


def test_what_is_used_in_any_way_is_none(site: Site) -> None:
    site.running()
    for name in ("base.qcow2", "kept.qcow2", "lost.qcow2"):
        site.volume(name)
    site.raw("kernel", b"k")
    top, kept = site.volume("top.qcow2", backing="base.qcow2"), site.target / "kept.qcow2"
    define_guest(site, "vm1", file_disk(kept))
    site.daemon.virsh("snapshot-create-as", "vm1", "s1")
    kernel = f"<kernel>{site.target / 'kernel'}</kernel>"
    site.daemon.virsh("detach-disk", "vm1", "vda", "--config")
    define_guest(site, "vm2", file_disk(top), os=kernel)
    frame = site.host.orphans()
    assert list(frame["volume"]) == ["lost.qcow2"]
    (row,) = frame.to_dict("records")
    assert row["allocation"] == (site.target / "lost.qcow2").stat().st_blocks * 512
    said = "\n".join(row["reasons"])
    assert "of 2 guests names it" in said
    assert "none of their 1 snapshots names it" in said
    assert "no image that could be read lies on it" in said
    everything = os.geteuid() == 0  # who is not root cannot look at all processes
    assert ("no process has it open" in said) is everything
    assert ("other users' processes could not be looked at" in "\n".join(row["doubts"])) is not everything
    assert row["status"] == "ok"


def test_overlays_speak_against_it(site: Site) -> None:
    site.running()
    site.volume("base.qcow2")
    site.volume("top.qcow2", backing="base.qcow2")
    assert f"{site.target / 'top.qcow2'} lies on it" in _doubts(site, "base.qcow2")
    assert "lies on it" not in _doubts(site, "top.qcow2")
    reasons = _row(site, "base.qcow2")["reasons"]
    assert not any("lies on it" in reason for reason in reasons)  # type: ignore[attr-defined]


def test_an_overlay_that_no_pool_lists_yet_speaks_against_it(site: Site) -> None:
    site.running()
    base = site.volume("base.qcow2")
    overlay(site.target / "new.qcow2", base)
    assert "new.qcow2', which is in its pool's folder and not listed yet" in _doubts(site, "base.qcow2")


def test_what_lies_in_a_pool_that_does_not_run_speaks_against_it(site: Site) -> None:
    site.running()
    base = site.volume("base.qcow2")
    (site.folder / "idle").mkdir()
    overlay(site.folder / "idle" / "top", base)
    site.daemon.virsh("pool-define-as", "idle", "dir", "--target", str(site.folder / "idle"))
    site.daemon.virsh("pool-define-as", "away", "dir", "--target", str(site.folder / "away"))
    doubts = _doubts(site, "base.qcow2")
    assert "'top' of pool 'idle', which is not running, lies on it" in doubts
    assert "pool 'away' is not running" in doubts
    frame = site.host.orphans()
    assert list(frame["status"]) == ["ok", "pool not running", "pool not running"]


def test_a_recent_change_speaks_against_it(site: Site) -> None:
    site.running()
    path = site.volume("v.qcow2")
    assert "its content was changed less than a day ago" in _doubts(site, "v.qcow2")
    _old(path)
    assert "copied here, renamed or given to another owner less than a day ago" in _doubts(site, "v.qcow2")
    row = _row(site, "v.qcow2")
    assert "it was not changed for 40 days" in row["reasons"]  # type: ignore[operator]
    assert row["modified"] == pd.Timestamp(path.stat().st_mtime_ns, tz="UTC")


def test_what_could_not_be_read_speaks_against_it(site: Site) -> None:
    site.running()
    site.volume("v.qcow2")
    (site.folder / "broken").write_bytes(b"not an image")
    define_guest(site, "vm1", file_disk(site.folder / "broken"))
    assert "a use may not be known: disk vda of guest 'vm1'" in _doubts(site, "v.qcow2")


def test_a_guest_that_shares_its_folder_speaks_against_it(site: Site) -> None:
    site.running()
    site.raw("shared.img", b"x")
    share = f"<filesystem type='mount'><source dir='{site.target}'/><target dir='t'/></filesystem>"
    define_guest(site, "vm1", share)
    said = f"it lies in {str(site.target)!r}, which is used by guest 'vm1' (filesystem, shut off)"
    assert said in _doubts(site, "shared.img")


def test_a_process_that_has_it_open_speaks_against_it(site: Site) -> None:
    site.running()
    path = site.volume("v.qcow2")
    assert "open in" not in _doubts(site, "v.qcow2")
    with path.open("rb"):
        assert f"(process {os.getpid()})" in _doubts(site, "v.qcow2")
    with holding(path):
        assert "it is open in " in _doubts(site, "v.qcow2")


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [("debian.ISO", 0o644, "an installation medium"), ("base.img", 0o444, "nobody may write to it")],
)
def test_what_looks_like_a_medium_or_a_base(site: Site, name: str, mode: int, said: str) -> None:
    site.running().raw(name, b"x").chmod(mode)
    assert said in _doubts(site, name)


def test_another_name_of_the_same_file_speaks_against_it(site: Site) -> None:
    site.running()
    path = site.raw("a.img", b"x")
    os.link(path, site.folder / "outside.img")
    assert "the file has 2 names" in _doubts(site, "a.img")
    os.link(path, site.target / "b.img")
    site.refresh()
    assert f"the same file as 'b.img' of pool '{site.pool}'" in _doubts(site, "a.img")


def test_a_link_gives_nothing_back_and_a_second_pool_has_no_second_file(site: Site) -> None:
    site.running()
    path, apart = site.raw("a.img", b"x"), site.folder / "apart.img"
    apart.write_bytes(b"x")
    for name, to in (("to a.img", path), ("to apart.img", apart)):
        (site.target / name).symlink_to(to)
    site.refresh()
    said = "deleting the link gives nothing back"
    assert f"it is a link to {str(path)!r}, which stays: {said}" in _doubts(site, "to a.img")
    assert f"it is a link to {str(apart)!r}, which stays: {said}" in _doubts(site, "to apart.img")
    assert f"'to a.img' of pool '{site.pool}' is a link to it" in _doubts(site, "a.img")
    assert "gives nothing back" not in _doubts(site, "a.img")
    _again(site)
    frame = site.host.orphans()
    for name, other in ((site.pool, "again"), ("again", site.pool)):
        (doubts,) = frame.loc[(frame["volume"] == "a.img") & (frame["pool"] == name), "doubts"]
        assert f"it is 'a.img' of pool '{other}' as well, which goes with it" in doubts
        assert not any("gives nothing back" in doubt for doubt in doubts)


def test_a_file_that_holds_the_data_of_another_image(site: Site) -> None:
    site.running()
    path = site.target / "head.qcow2"
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={site.target / 'body.raw'}", path, "8M")
    site.refresh()
    assert f"it holds the data of 'head.qcow2' of pool '{site.pool}'" in _doubts(site, "body.raw")
    usage = site.host.usage(inside=False).dropna(subset="volume").set_index("volume")
    assert usage.loc["head.qcow2", "promised"] == 0
    assert usage.loc["body.raw", "promised"] == 8 * MIB
    _again(site)
    usage = site.host.usage(inside=False)
    assert usage.loc[usage["volume"] == "head.qcow2", "promised"].tolist() == [0, 0]
    assert list(site.host.overcommit()["promised"]) == [8 * MIB] * 2


def test_what_has_the_fewest_doubts_stands_first_and_then_what_takes_most(site: Site) -> None:
    site.running()
    for name, size in (("small", 1), ("large", 3), ("held", 5)):
        site.raw(f"{name}.img", b"x" * size * MIB)
    with (site.target / "held.img").open("rb"):
        assert list(site.host.orphans()["volume"]) == ["large.img", "small.img", "held.img"]


def test_the_data_of_an_image_whose_header_cannot_be_read_may_lie_in_it() -> None:
    facts = {"head": "qcow2", "body": "raw", "other": "qcow2"}
    listed = tuple(Volume("p", name, f"/p/{name}", "file", kind, MIB, MIB) for name, kind in facts.items())
    sound = Qcow2(MIB, 1 << 16, 0, external=False)
    for header, doubted in ((None, ["body"]), (sound, [])):
        headers = {"head": header, "other": sound}
        files = {
            f"/p/{name}": File(1, at, MIB, MIB, header=headers.get(name)) for at, name in enumerate(facts)
        }
        seen = made_up([pool("p")], MadeUp(files, {"p": listed}, (guest("vm1", "/p/head"),)))
        told = rows(orphans(seen, candidates(seen), {}), "volume")
        said = "the header of /p/head could not be read: its data may lie in this"
        assert [name for name, row in told.items() if said in row["doubts"]] == doubted
        assert set(told) == {"body", "other"}
