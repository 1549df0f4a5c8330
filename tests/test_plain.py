"""CSV and JSON of every kind of value that a frame can hold."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from kvmnb import plain, schema


def test_csv_of_every_kind_of_value() -> None:
    row: dict[str, Any] = dict.fromkeys(schema.VOLUMES.names)
    row |= {"name": "\x1b[31mred\x9b", "pool": "\uff1d1", "capacity": 2**60, "owner": -1}
    row |= {"chain": ("=a", "b\nc"), "chain_known": False, "modified": 1_700_000_000_000_000_001}
    frame = schema.VOLUMES.build([row])
    written = next(csv.DictReader(io.StringIO(plain.to_csv(frame))))
    assert written["name"] == r"\x1b[31mred\x9b"
    assert written["pool"] == "'\uff1d1"
    assert written["capacity"] == str(2**60)
    assert written["owner"] == "-1"
    assert json.loads(written["chain"]) == ["=a", "b\nc"]
    assert written["chain_known"] == "false"
    assert written["modified"] == "2023-11-14T22:13:20.000000001+00:00"
    assert written["allocation"] == ""


def test_json_of_every_kind_of_value() -> None:
    row: dict[str, Any] = dict.fromkeys(schema.VOLUMES.names)
    row |= {"name": "\x1b\x7f\x9b", "chain": ("=a",), "owner": -1, "chain_known": True}
    text = plain.to_json(schema.VOLUMES.build([row]))
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    [read] = json.loads(text)
    assert read["name"] == "\x1b\x7f\x9b"
    assert (read["chain"], read["owner"], read["chain_known"], read["modified"]) == (["=a"], -1, True, None)
    assert plain.to_json(schema.VOLUMES.empty()) == "[]\n"
