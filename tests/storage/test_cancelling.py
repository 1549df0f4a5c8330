"""Work that is cancelled from another thread: what was half made is gone, and that is said."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import kvmnb
from kvmnb.cancelling import cancellable, check_cancelled, uncancellable
from kvmnb.errors import ActionFailed, Cancelled
from kvmnb.programs import follow, run
from kvmnb.storage.streams import Progress
from tests.storage.builders import Site


def test_a_program_is_stopped_at_once() -> None:
    for start in (run, lambda args, timeout: follow(args, lambda _piece: None, timeout=timeout)):
        asked = threading.Event()
        threading.Timer(0.2, asked.set).start()
        began = time.monotonic()
        with cancellable(asked), pytest.raises(Cancelled):
            start(["sleep", "60"], timeout=60)
        assert time.monotonic() - began < 5


def test_what_is_being_put_right_is_not_stopped() -> None:
    asked = threading.Event()
    asked.set()
    with cancellable(asked), uncancellable():
        check_cancelled()
        assert run(["true"], timeout=10).returncode == 0


def _big(site: Site) -> None:
    site.running()
    site.host.apply(kvmnb.CreateVolume(site.pool, "a.raw", 512 << 20, "raw"))
    volume = Path(site.target) / "a.raw"
    with volume.open("r+b") as file:
        for _ in range(512):
            file.write(b"\xa5" * (1 << 20))
    site.host.apply(kvmnb.RefreshPool(site.pool))


def test_a_cancelled_clone_leaves_nothing_and_the_rest_of_the_plan_undone(site: Site) -> None:
    _big(site)
    asked = threading.Event()
    told: list[tuple[int, int]] = []

    def progress(words: str) -> Progress:
        def tell(done: int, total: int) -> None:
            told.append((done, total))
            asked.set()

        return tell

    plan = site.host.plan(
        kvmnb.CreateVolume(site.pool, "first.raw", 1 << 20, "raw"),
        kvmnb.CloneVolume(site.pool, "a.raw", "b.raw"),
        kvmnb.CreateVolume(site.pool, "last.raw", 1 << 20, "raw"),
    )
    with cancellable(asked), pytest.raises(ActionFailed, match=r"cancelled.*was undone") as failed:
        site.host.apply(plan, progress=progress)
    assert isinstance(failed.value.__cause__, Cancelled)
    assert told
    assert site.host.volumes(site.pool)["name"].tolist() == ["a.raw"]
    assert [path.name for path in Path(site.target).iterdir()] == ["a.raw"]


def test_a_cancelled_download_leaves_no_file(site: Site, tmp_path: Path) -> None:
    _big(site)
    asked = threading.Event()

    def progress(words: str) -> Progress:
        return lambda done, _total: asked.set() if done > 1 << 20 else None

    with cancellable(asked), pytest.raises(ActionFailed, match="cancelled"):
        site.host.apply(kvmnb.DownloadVolume(site.pool, "a.raw", str(tmp_path / "x")), progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_a_clone_tells_how_far_it_is(site: Site) -> None:
    _big(site)
    told: list[tuple[int, int]] = []
    site.host.apply(
        kvmnb.CloneVolume(site.pool, "a.raw", "b.raw"),
        progress=lambda _words: lambda done, total: told.append((done, total)),
    )
    assert told[-1][0] == told[-1][1] >= 512 << 20
    assert told == sorted(told)
