"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from kvmnb.errors import HistoryFailed
from kvmnb.samples.drafts import Drafts
from kvmnb.samples.store import Store


def test_all_that_was_moved_is_taken_back_though_one_is_gone_already(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first, twice = (store.path / name / "file" for name in ("first", "twice"))
    with Drafts(store) as drafts:
        for number, target in enumerate((first, twice, twice, store.path / "last" / "file")):
            drafts.write(pa.table({"number": [number]}), target, str(number))
        (store.path / "last").write_bytes(b"no folder")
        with pytest.raises(HistoryFailed):
            drafts.publish()
    assert not twice.exists()
    assert not first.exists()
