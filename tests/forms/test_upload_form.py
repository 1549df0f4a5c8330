"""The form that uploads a file: nothing is guessed, written over or left behind."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmnb.cancelling import cancellable
from kvmnb.errors import ActionFailed
from kvmnb.forms.draft import check_draft
from kvmnb.forms.picker import LARGEST, FilePicker, safe_name
from kvmnb.forms.upload_form import Upload, UploadGoal, format_problems, upload
from kvmnb.host import connect
from kvmnb.storage.streams import Progress, silent
from tests.plugin import RunningPool
from tests.storage.builders import Site

_PIECE = 1 << 20


def _send(picker: FilePicker, name: str, content: bytes, size: int | None = None) -> None:
    """Do what the browser does."""
    size = len(content) if size is None else size
    picker._hear(picker, {"kind": "begin", "ticket": "t", "name": name, "size": size}, [])
    for at in range(0, len(content), _PIECE):
        piece = memoryview(content)[at : at + _PIECE]
        picker._hear(picker, {"kind": "piece", "ticket": "t", "at": at}, [piece])


@pytest.fixture
def picker() -> FilePicker:
    """Give a picker of files."""
    return FilePicker(lambda: None)


def test_a_file_comes_in_pieces_and_goes(picker: FilePicker) -> None:
    content = os.urandom(3 * _PIECE + 5)
    _send(picker, "../../etc/disk.iso", content)
    file = picker.file
    assert file is not None
    assert (file.name, file.read_bytes()) == ("disk.iso", content)
    assert (file.stat().st_mode & 0o77, file.parent.stat().st_mode & 0o77) == (0, 0)
    assert "has come whole: 3 MiB" in picker.said
    picker.remove()
    assert picker.file is None
    assert not file.parent.exists()


def test_the_next_file_takes_its_place(picker: FilePicker) -> None:
    _send(picker, "a", b"a")
    first = picker.file
    _send(picker, "b", b"b")
    assert first is not None
    assert picker.file is not None
    assert (first.exists(), picker.file.read_bytes()) == (False, b"b")


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "is empty"), (LARGEST + 1, "can be taken"), (-1, "can be taken"), (2, "1 byte of 2 bytes")],
)
def test_what_does_not_come_whole_is_no_file(picker: FilePicker, size: int, said: str) -> None:
    _send(picker, "a", b"a", size=size)
    assert picker.file is None
    assert said in picker.said


def test_pieces_that_do_not_fit_end_it(picker: FilePicker) -> None:
    _send(picker, "a", b"aaa", size=10)
    folder = picker._folder
    picker._hear(picker, {"kind": "piece", "ticket": "other", "at": 3}, [b"b"])
    assert "3 bytes of 10 bytes" in picker.said
    picker._hear(picker, {"kind": "piece", "ticket": "t", "at": 4}, [b"b"])
    assert "was changed while it was sent" in picker.said
    assert folder is not None
    assert not folder.exists()


@given(st.text())
def test_a_files_own_name_is_a_name(name: str) -> None:
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert safe not in {"", ".", ".."}
    assert safe.isprintable()
    assert len(safe.encode()) <= 200


def _image(path: Path, format: str, *options: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", format, *options, str(path), "1M"], check=True)
    return path


def test_what_a_file_is_must_be_true(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512))
    base = _image(tmp_path / "base", "qcow2")
    over = _image(tmp_path / "over", "qcow2", "-b", str(base), "-F", "qcow2")
    vmdk = _image(tmp_path / "disk.vmdk", "vmdk")

    def said(file: Path, format: str) -> list[tuple[str, str]]:
        return [(problem.field, problem.reason) for problem in format_problems(str(file), format)]

    assert said(tmp_path / "raw", "raw") == said(base, "qcow2") == said(vmdk, "vmdk") == []
    ((field, reason),) = said(base, "raw")
    assert field == "format"
    assert "begins as a qcow2 image" in reason
    ((field, reason),) = said(tmp_path / "raw", "qcow2")
    assert field == "format"
    assert "no qcow2 image" in reason
    ((field, reason),) = said(over, "qcow2")
    assert field == "file"
    assert repr(str(base)) in reason


@pytest.fixture
def form(site: Site, pool: RunningPool) -> Upload:
    """Give the form on a host with a pool."""
    made = upload(site.host)
    made.form.fill(pool=pool.name)
    return made


def test_a_picked_file_becomes_a_volume_and_can_be_undone(form: Upload, pool: RunningPool) -> None:
    content = os.urandom(2 * _PIECE + 5)
    _send(form.picker, "<b>x.iso", content)
    file = form.picker.file
    assert form.form.entered | {"file": str(file)} == form.form.entered
    assert (form.form.entered["name"], form.form.entered["format"]) == ("<b>x.iso", "raw")
    assert "holds '<'" in form.form.draft.beside["name"][0]
    assert "<b>x" not in form.form.fields["name"].below.value + form.form.plan.value
    form.form.fill(name="x.iso")
    draft = form.form.draft
    assert draft.ready, (draft.beside, draft.elsewhere, draft.missing)
    assert draft.look is not None
    assert draft.look.undo == "Delete volume 'x.iso' of pool 'vmdisk': all that is on it is lost"
    assert "<b>x" not in form.form.plan.value
    compile(draft.code, "cell", "exec")
    form.form.run()
    assert form.form.report is not None
    assert set(form.form.report["outcome"]) == {"done"}
    written = (pool.target / "x.iso").read_bytes()
    assert hashlib.sha256(written[: len(content)]).digest() == hashlib.sha256(content).digest()
    assert not any(written[len(content) :])
    assert file is not None
    assert not file.parent.exists()
    assert form.form.entered["file"] == form.form.entered["name"] == ""
    assert [one["action"] for one in form.form.report.attrs["undo"]] == ["DeleteVolume"]


def test_what_is_there_is_never_written_over(
    form: Upload, pool: RunningPool, site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "x.iso"
    file.write_bytes(os.urandom(1024))
    values = {"pool": pool.name, "name": "x.iso", "file": str(file), "format": "raw"}
    goal = UploadGoal()
    goal.run(site.host, values, lambda _words: silent)
    before = (pool.target / "x.iso").read_bytes()
    file.write_bytes(os.urandom(1024))
    draft = check_draft(goal, site.host, values)
    assert not draft.ready
    assert "has a volume 'x.iso' already" in draft.beside["name"][0]
    form.form.fill(**values)
    form.form.run()
    with pytest.raises(Exception, match="already"):
        goal.run(site.host, values, lambda _words: silent)
    assert (pool.target / "x.iso").read_bytes() == before
    assert file.exists()


def test_cancelled_halfway_nothing_is_left(form: Upload, pool: RunningPool, site: Site) -> None:
    _send(form.picker, "x.iso", os.urandom(8 * _PIECE))
    file = form.picker.file
    assert file is not None
    asked = Event()
    behind: list[int] = []

    def progress(_words: str) -> Progress:
        def tell(done: int, _total: int) -> None:
            behind.append(done)
            asked.set()

        return tell

    values = {"pool": pool.name, "name": "x.iso", "file": str(file), "format": "raw"}
    with cancellable(asked), pytest.raises(ActionFailed, match=r"cancelled.*undone"):
        form.form.goal.run(site.host, values, progress)
    assert 0 < behind[-1] < 8 * _PIECE
    assert site.host.volumes(pool.name).empty
    assert not any(pool.target.iterdir())
    assert not file.parent.exists()


def test_another_file_is_refused_while_one_is_used(picker: FilePicker) -> None:
    _send(picker, "a", b"a")
    file = picker.file
    assert file is not None
    with picker.in_use():
        _send(picker, "b", b"b")
        assert picker.file == file
        assert file.read_bytes() == b"a"
        assert "wait until" in picker.said
    assert not file.exists()


def test_a_host_for_reading_takes_no_file(site: Site, pool: RunningPool) -> None:
    with connect(site.host.uri) as host:
        made = upload(host)
        made.form.fill(pool=pool.name)
        _send(made.picker, "a", b"a")
        assert made.picker.file is None
        assert not made.form.draft.ready
