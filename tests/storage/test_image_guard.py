"""Images that somebody needs are left alone, a stranger's reads no other file, a failure leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kvmnb
from kvmnb.errors import ActionFailed, Refused
from kvmnb.images import qemu_img
from kvmnb.storage.action import Action
from kvmnb.storage.model import Problem
from kvmnb.storage.streams import Progress
from tests.storage.builders import MIB, Site, define_guest, digest, disk, overlay, start_guest
from tests.storage.image_cases import leak, made, write

Deed = Callable[[str], Action]


def _shrink(path: str) -> Action:
    return kvmnb.ResizeImage(path, "qcow2", 4 * MIB, shrink=True)


def _grow(path: str) -> Action:
    return kvmnb.ResizeImage(path, "qcow2", 16 * MIB)


def _snapshot(path: str) -> Action:
    return kvmnb.CreateSnapshot(path, "new")


def _go_back(path: str) -> Action:
    return kvmnb.ApplySnapshot(path, "one", confirm="one")


def _drop(path: str) -> Action:
    return kvmnb.DeleteSnapshot(path, "one", confirm="one")


def _mend(path: str) -> Action:
    return kvmnb.RepairImage(path, confirm=Path(path).name)


def _delete(path: str) -> Action:
    return kvmnb.DeleteImage(path, confirm=Path(path).name)


def _copy(path: str) -> Action:
    return kvmnb.ConvertImage(path, "qcow2", f"{path}.copy", "raw")


_CHANGES = [_grow, _snapshot, _go_back, _drop, _mend, _delete]
_ALL = pytest.mark.parametrize("deed", [*_CHANGES, _copy])


def _ready(site: Site, deed: Deed, name: str = "vm1.img") -> Path:
    """Make an image that the deed could be done to, were it not for what the test does."""
    path = made(site.folder / name)
    if deed in {_go_back, _drop}:
        qemu_img.snapshot(path, "qcow2", "create", "one")
    if deed is _mend:
        leak(path)
    return path


def _refused(site: Site, action: Action, *words: str) -> None:
    path = Path(action.source if isinstance(action, kvmnb.ConvertImage) else action.pool)
    before, names = digest(path), sorted(path.parent.iterdir())
    with pytest.raises(Refused) as refusal:
        site.host.apply(action)
    for word in words:
        assert word in str(refusal.value)
    assert (digest(path), sorted(path.parent.iterdir())) == (before, names)


@_ALL
def test_an_image_of_a_running_guest_is_refused_with_its_name(site: Site, deed: Deed) -> None:
    path = _ready(site, deed)
    start_guest(site, "vm1", disk(f"file='{path}'"))
    try:
        # Not compared by its content: the guest has it open.
        plan = site.host.plan(deed(str(path)))
        assert any("guest 'vm1' (disk vda, running)" in str(problem) for problem in plan.problems)
        with pytest.raises(Refused, match="vm1"):
            site.host.apply(deed(str(path)))
        assert not path.with_name("vm1.img.copy").exists()
    finally:
        site.daemon.virsh("destroy", "vm1")


@_ALL
def test_a_base_of_a_running_guest_may_be_copied_but_not_changed(site: Site, deed: Deed) -> None:
    path = _ready(site, deed)
    top = overlay(site.folder / "top.img", path)
    start_guest(site, "vm1", disk(f"file='{top}'"))
    try:
        if deed is _copy:
            assert site.host.apply(deed(str(path)))["verified"].all()
        else:
            _refused(site, deed(str(path)), "guest 'vm1' (disk vda, running, as a backing store)")
    finally:
        site.daemon.virsh("destroy", "vm1")


def test_an_image_of_a_guest_that_is_off_may_be_changed_but_not_deleted(site: Site) -> None:
    path = _ready(site, _snapshot)
    define_guest(site, "vm1", disk(f"file='{path}'"))
    _refused(site, _delete(str(path)), "guest 'vm1' (disk vda, shut off)")
    assert site.host.apply(_grow(str(path)))["verified"].all()


@pytest.mark.parametrize("deed", [_shrink, _snapshot, _go_back, _drop, _mend, _delete])
def test_what_lies_on_it_is_named_also_where_no_pool_has_it(site: Site, deed: Deed) -> None:
    path = _ready(site, deed)
    overlay(site.folder / "top one.img", path)
    _refused(site, deed(str(path)), "top one.img")


def test_an_overlay_in_a_pool_is_named_by_its_pool(site: Site) -> None:
    path = _ready(site, _delete)
    overlay(site.running().target / "top", path)
    site.refresh()
    _refused(site, _delete(str(path)), "'top' of pool 'vm disk'")


def test_a_volume_is_guarded_under_its_path_too(site: Site) -> None:
    path = site.running().volume("a.qcow2")
    define_guest(site, "vm1", disk("pool='vm disk' volume='a.qcow2'", type="volume"))
    _refused(site, _delete(str(path)), "Volume 'a.qcow2' is used by guest 'vm1'")


@contextmanager
def _open_elsewhere(path: Path) -> Iterator[None]:
    """Have another program write to an image: it holds QEMU's lock."""
    command = ["qemu-io", "-f", "qcow2", str(path)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.read(8) == b"qemu-io>"
        yield
    finally:
        writer.communicate(b"quit\n", timeout=20)


@pytest.mark.parametrize("deed", [_grow, _snapshot, _go_back, _drop, _copy])
def test_an_image_that_another_program_has_open_is_told_in_plain_words(site: Site, deed: Deed) -> None:
    path = _ready(site, deed)
    before = qemu_img.info(path, "qcow2")
    with _open_elsewhere(path), pytest.raises(ActionFailed) as failure:
        site.host.apply(deed(str(path)))
    assert f"The image '{path}' is open in another program" in str(failure.value)
    assert "Shut that guest off" in str(failure.value)
    assert qemu_img.info(path, "qcow2") == before
    assert [one.name for one in site.folder.iterdir()] == ["vm1.img"]


def test_mending_an_image_that_is_open_is_refused(site: Site) -> None:
    path = _ready(site, _mend)
    with _open_elsewhere(path):
        _refused(site, _mend(str(path)), "cannot be checked", "open in another program")


def _large(site: Site) -> Path:
    path = site.folder / "large.raw"
    path.write_bytes(os.urandom(64 * MIB))
    return path


def _left(site: Site) -> list[str]:
    return sorted(path.name for path in site.folder.iterdir())


def _processes_of(path: Path) -> list[str]:
    lines = [p.read_bytes().replace(b"\0", b" ").decode(errors="replace") for p in _command_lines()]
    return [line for line in lines if str(path) in line]


def _command_lines() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            process.read_bytes()
        except OSError:
            continue
        yield process


def test_ctrl_c_during_a_conversion_leaves_nothing(site: Site) -> None:
    source, target = _large(site), site.folder / "copy"
    before, shares = digest(source), []

    def interrupting(_words: str) -> Progress:
        def progress(done: int, total: int) -> None:
            shares.append((done, total))
            if done > 0:  # on a busy machine the first that is told may be the end
                signal.raise_signal(signal.SIGINT)

        return progress

    with pytest.raises(KeyboardInterrupt) as interrupt:
        site.host.apply(kvmnb.ConvertImage(str(source), "raw", str(target)), progress=interrupting)
    assert "nothing was changed" in "".join(interrupt.value.__notes__)
    assert 0 < shares[-1][0] <= shares[-1][1] == 64 * MIB
    assert _left(site) == ["large.raw"]
    assert _processes_of(target.parent / "copy") == []
    assert digest(source) == before
    assert site.host.audit()["event"].tolist() == ["intent", "failed"]


def test_a_conversion_tells_its_progress_in_bytes(site: Site) -> None:
    source, told = _large(site), []
    action = kvmnb.ConvertImage(str(source), "raw", str(site.folder / "copy"))
    site.host.apply(action, progress=lambda _words: lambda done, total: told.append((done, total)))
    assert [total for _, total in told] == [64 * MIB] * len(told)
    done = [now for now, _ in told]
    assert done == sorted(done)
    assert done[-1] == 64 * MIB
    # How often it is told between lies with qemu-img: a quick disk leaves no time for more.
    assert done[0] == 0


def test_the_progress_bar_shows_a_conversion(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    action = kvmnb.ConvertImage(str(_large(site)), "raw", str(site.folder / "copy"))
    site.host.apply(action, progress=kvmnb.progress_bar)
    drawn = capsys.readouterr().err
    assert "Copy the raw image" in drawn
    assert "64.0M/64.0M" in drawn


def test_a_target_that_appears_meanwhile_is_not_written_over(site: Site) -> None:
    source, target = _large(site), site.folder / "copy"

    def meddling(_words: str) -> Progress:
        def progress(_done: int, _total: int) -> None:
            target.write_bytes(b"another's")

        return progress

    with pytest.raises(ActionFailed, match="A file has appeared at") as error:
        site.host.apply(kvmnb.ConvertImage(str(source), "raw", str(target)), progress=meddling)
    assert ".kvmnb-" not in str(error.value)
    assert target.read_bytes() == b"another's"
    assert _left(site) == ["copy", "large.raw"]


def _problems(site: Site, action: Action) -> list[Problem]:
    return list(site.host.plan(action).problems)


def test_a_stranger_s_image_reads_no_other_file(site: Site) -> None:
    secret = site.folder / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_bytes(b"secret" * 10000)
    path = overlay(site.folder / "evil.qcow2", secret, "raw")
    copy = kvmnb.ConvertImage(str(path), "qcow2", str(site.folder / "copy"), "raw")
    assert "in another folder and in no running pool" in str(_problems(site, copy)[0])
    top = kvmnb.CreateImage(str(site.folder / "top"), 8 * MIB, backing_path=str(path), backing_format="qcow2")
    assert "in another folder and in no running pool" in str(_problems(site, top)[0])
    _refused(site, copy)

    subprocess.run(
        ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", "nbd:h:1", "-F", "raw", path], check=True
    )
    assert "which is no path of a file" in str(_problems(site, copy)[0])
    _refused(site, copy)


def test_a_base_in_another_pool_may_be_read(site: Site) -> None:
    base = site.running().raw("base", b"data" * 1000)
    path = overlay(site.folder / "top.qcow2", base, "raw")
    copy = site.folder / "copy"
    site.host.apply(kvmnb.ConvertImage(str(path), "qcow2", str(copy), "raw"))
    assert copy.read_bytes() == base.read_bytes()


def test_another_machine_s_files_are_out_of_reach() -> None:
    with kvmnb.connect("test:///default", readonly=False) as far:
        for action in (
            kvmnb.CreateImage("/tmp/absent/a", MIB),  # noqa: S108 - nothing is made
            kvmnb.DeleteImage("/tmp/absent/a", "a"),  # noqa: S108
            kvmnb.ConvertImage("/tmp/absent/a", "raw", "/tmp/absent/b"),  # noqa: S108
            kvmnb.ResizeImage("/tmp/absent/a", "raw", MIB),  # noqa: S108
        ):
            assert any("is another one" in str(problem) for problem in far.plan(action).problems), action


def test_a_snapshot_that_two_names_could_mean_is_left_alone(site: Site) -> None:
    path = made(site.folder / "a.qcow2")
    for name in ("2", "other", "twice", "twice"):
        qemu_img.snapshot(path, "qcow2", "create", name)
    for name in ("2", "twice"):  # "2" is one's name and another's number
        _refused(site, kvmnb.ApplySnapshot(str(path), name, confirm=name), "could mean")
        _refused(site, kvmnb.DeleteSnapshot(str(path), name, confirm=name), "could mean")
    _refused(site, kvmnb.ApplySnapshot(str(path), "absent", confirm="absent"), "has no snapshot 'absent'")
    _refused(site, kvmnb.CreateSnapshot(str(path), "other"), "has a snapshot 'other' already")


def test_going_back_brings_back_what_was(site: Site) -> None:
    path = made(site.folder / "a.qcow2")
    site.host.apply(kvmnb.CreateSnapshot(str(path), "before"))
    write(path, "write -P 9 1M 1M")
    site.host.apply(kvmnb.ApplySnapshot(str(path), "before", confirm="before"))
    qemu_img.io(path, "qcow2", ["read -P 7 1M 1M"])


def test_a_corrupt_image_is_mended_and_a_hopeless_one_refused(site: Site) -> None:
    path = made(site.folder / "a.qcow2")
    data = bytearray(path.read_bytes())
    table = int.from_bytes(data[int.from_bytes(data[48:56], "big") :][:8], "big")
    data[table : table + 2] = b"\0\0"  # the header's own cluster counts as free
    path.write_bytes(data)
    plan = site.host.plan(_mend(str(path)))
    assert any("keep a copy first: cp" in str(p).lower() for step in plan for p in step.warnings)
    assert site.host.apply(plan)["verified"].all()
    assert kvmnb.images.check(path, format="qcow2")["status"].tolist() == ["sound"]
    path.write_bytes(path.read_bytes()[:100])
    _refused(site, _mend(str(path)), "cannot be read as qcow2")


def _encrypted(path: Path) -> Path:
    """Make an image encrypted with LUKS."""
    secret = ["--object", "secret,id=s,data=word"]
    options = ["-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"]
    command = ["qemu-img", "create", "-q", *secret, "-f", "qcow2", *options, str(path), "8M"]
    for _ in range(100):  # LUKS times the processor, and gives up where its clock ticks too slowly to tell
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "Unable to get accurate CPU usage" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    return path


def test_an_encrypted_image_wants_what_the_kit_does_not_have(site: Site) -> None:
    path = _encrypted(site.folder / "a.qcow2")
    assert kvmnb.images.info(path, format="qcow2")["encrypted"].tolist() == [True]
    for deed in (_grow, _snapshot, _mend, _copy):
        _refused(site, deed(str(path)), "is encrypted")
    assert site.host.apply(_delete(str(path)))["verified"].all()


def test_what_a_copy_or_a_deletion_leaves_out_is_told(site: Site) -> None:
    path = _ready(site, _drop)
    (step,) = site.host.plan(_copy(str(path)))
    assert "1 snapshot(s)" in str(step.warnings[0])
    two = site.folder / "two.qcow2"
    qemu_img.create(two, "qcow2", MIB, {"data_file": str(site.folder / "its data")})
    (step,) = site.host.plan(_delete(str(two)))
    assert "its data', which stays" in str(step.warnings[0])
    _refused(site, kvmnb.DeleteImage(str(site.folder / "its data"), "its data"), "two.qcow2")
