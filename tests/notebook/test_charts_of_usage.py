"""The charts of usage draw the frames' own figures, and say them."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kvmnb.notebook.charts import (
    Chart,
    chart_allocated,
    chart_largest,
    chart_overcommit,
    chart_pool_use,
    chart_volume_map,
)
from kvmnb.notebook.charts import promised as promised_
from kvmnb.notebook.charts.parts import PARTS
from tests.forms.browsed import pool, pools
from tests.notebook.comparison import GIB
from tests.notebook.drawn import contrast, hanging_over, line_on, names_on, texts_on, xs, ys
from tests.notebook.usage import FILLED, POOLS, PROMISED, disk, image, overcommitted, promise, rest, usage


def bars(axes: Axes) -> dict[str, dict[str, Any]]:
    """Give where each part of each row's bar begins and ends."""
    names, found = names_on(axes), defaultdict[str, dict[str, Any]](dict)
    for container in axes.containers:
        for box in cast("list[Rectangle]", list(container)):
            row = names[round(box.get_y() + box.get_height() / 2)]
            found[row][str(container.get_label())] = (box.get_x(), box.get_x() + box.get_width())
    return found


def beside(chart: Chart, name: str) -> list[str]:
    """Give the figures beside a row."""
    at = names_on(chart.axes[0]).index(name)
    return [text.get_text() for text in chart.axes[1].texts if text.get_position()[1] == at]


def test_parts_of_a_pool_sum_up_to_its_size() -> None:
    drawn = bars(chart_pool_use(FILLED, POOLS).axes[0])
    assert list(drawn) == ["fast", "vmdisk", "empty"]  # the fullest first; nothing is known of the other
    ends: list[tuple[str, Any]] = [
        ("used inside", 0.28),
        ("reclaimable", 0.38),
        ("shared", 0.41),
        ("not known", 0.47),
        ("unused", 0.56),  # a second name of the same file counts once
        ("other", 0.70),
        ("free", 1.0),
    ]
    assert [(part, pytest.approx(end)) for part, (_, end) in drawn["vmdisk"].items()] == ends
    for parts in drawn.values():
        edges = sorted(parts.values())
        assert edges[0][0] == 0
        assert edges[-1][1] == pytest.approx(1)
        assert [right for _, right in edges[:-1]] == pytest.approx([left for left, _ in edges[1:]])


def test_figures_of_a_pool_stand_beside_it_and_in_it() -> None:
    chart = chart_pool_use(FILLED, POOLS)
    assert beside(chart, "vmdisk") == ["100 GiB", "300 GiB, 30 %", "1000 GiB"]
    assert beside(chart, "off") == ["–", "–", "–"]  # noqa: RUF001
    assert "280 GiB" in texts_on(chart)
    assert "30 GiB" not in texts_on(chart)  # there is no room for it
    assert "inactive, so not known" in texts_on(chart)
    assert chart.alt == (
        "What the space of 4 storage pools is taken for; together, of 1.22 TiB: used inside 450 GiB, "
        "reclaimable 110 GiB, shared 30 GiB, not known 60 GiB, unused 90 GiB, other 156 GiB, free 354 GiB; "
        "taken from 0 % (empty) to 98 % (fast); most to reclaim in vmdisk: 100 GiB. Not known: off."
    )


def test_a_pool_whose_own_figure_is_old_is_drawn_as_far_as_its_volumes_reach() -> None:
    taken = usage(disk("old", "a", 90 * GIB, 80 * GIB, 90 * GIB), rest("old", -30 * GIB))
    chart = chart_pool_use(taken, pools(pool("old", 80 * GIB, 60 * GIB)))
    drawn = bars(chart.axes[0])["old"]
    assert drawn == {"used inside": (0, 1), "reclaimable": (1, pytest.approx(1.125))}
    assert chart.axes[0].get_xlim()[1] > 1.125
    assert "by older figures of its own, less than its volumes take has old" in chart.alt


def test_what_a_whole_volume_takes_and_nothing_holds_is_not_called_used() -> None:
    """A logical volume takes all of its size, whatever is in it, and a trim gives nothing back."""
    whole = usage(
        disk("vg", "lv", 100 * GIB, 10 * GIB, 100 * GIB, reclaimable=0),
        image("vg", "locked", 50 * GIB, reclaimable=0, status="encrypted"),
        rest("vg", 0),
    )
    chart = chart_pool_use(whole, pools(pool("vg", 200 * GIB, 150 * GIB)))
    drawn = {part: right - left for part, (left, right) in bars(chart.axes[0])["vg"].items()}
    assert drawn == pytest.approx({"used inside": 0.05, "not known": 0.25, "other": 0.45, "free": 0.25})
    assert bars(chart_largest(whole).axes[0])["lv"] == {
        "used inside": (0, 10 * GIB),
        "other": (10 * GIB, 100 * GIB),
    }


def test_what_was_made_up_says_so_in_each_chart() -> None:
    frame = FILLED.copy()
    frame.attrs["made_up"] = True
    for chart in (chart_pool_use(frame, POOLS), chart_largest(frame), chart_volume_map(frame)):
        assert any("The figures are made up." in text for text in texts_on(chart))
    assert not any("made up" in text for text in texts_on(chart_largest(FILLED)))


def test_what_is_of_a_history_says_of_which_host_and_when() -> None:
    frame = FILLED.assign(sampled_at=pd.Timestamp("2026-03-01 12:30", tz="Europe/Berlin"))
    frame.attrs = {"frame": "usage"}
    assert any("Read on kvm1, at 2026-03-01 11:30 UTC." in text for text in texts_on(chart_largest(frame)))
    frame.loc[0, "sampled_at"] = pd.Timestamp("2026-03-02", tz="UTC")
    assert any(text.endswith("Read on kvm1.") for text in texts_on(chart_largest(frame)))


def test_what_usage_does_not_speak_of_is_taken_by_something_else() -> None:
    some = usage(disk("p", "a", 10 * GIB, 10 * GIB, 10 * GIB), rest("p", 0) | {"allocation": None})
    drawn = bars(chart_pool_use(some, pools(pool("p", 100 * GIB, 40 * GIB))).axes[0])["p"]
    assert drawn == {"used inside": (0, 0.1), "other": (0.1, 0.4), "free": (0.4, 1)}


def test_pools_of_many_hosts_and_hosts_that_could_not_be_read() -> None:
    dead = pool("") | {"name": None, "host": "kvm3", "state": None, "capacity": None, "status": "timed out"}
    both = pools(pool("p"), pool("p", host="kvm2"), dead)
    chart = chart_pool_use(usage(rest("p", 0), rest("p", 0) | {"host": "kvm2"}), both)
    assert names_on(chart.axes[0]) == ["p, kvm1", "p, kvm2", "–, kvm3"]  # noqa: RUF001
    assert "timed out" in texts_on(chart)
    other = chart_pool_use(usage(rest("p", 0)), both)
    assert "nothing is said of it" in texts_on(other)  # a pool of the same name on another host is another


def test_the_largest_images_come_first_and_the_rest_is_counted() -> None:
    chart = chart_largest(FILLED, 3)
    axes = chart.axes[0]
    assert names_on(axes) == ["db.qcow2", "log", "web.qcow2"]
    assert bars(axes)["db.qcow2"] == {
        "used inside": (0, 215 * GIB),
        "reclaimable": (215 * GIB, 240 * GIB),
    }
    assert beside(chart, "log") == ["fast", "vm-log", "180 GiB"]
    assert any(text.startswith("6 smaller images take 250 GiB together.") for text in texts_on(chart))
    assert chart.alt == (
        "The 3 of 9 images that take the most: db.qcow2 240 GiB, log 180 GiB and web.qcow2 120 GiB; together "
        "540 GiB of 790 GiB."
    )


def test_the_largest_may_be_shared_or_of_unknown_size() -> None:
    rows = (
        image("p", "shared", 5 * GIB, guests=("a", "b", "c"), guest=None),
        image("p", "idle", 4 * GIB, role="unused", guests=()),
        image("p", "gone", None),
    )
    chart = chart_largest(usage(*rows))
    assert beside(chart, "shared")[1] == "a and 2 more"
    assert beside(chart, "idle")[1] == "none"
    assert chart.alt.endswith("Not known is the size of 1 other.")


def test_allocated_stands_against_used_inside() -> None:
    chart = chart_allocated(FILLED)
    axes = chart.axes[0]
    assert names_on(axes)[:4] == ["vm-web.qcow2 vda", "vm-db.qcow2 vda", "vm-log vda", "vm-mail.qcow2 vda"]
    assert bars(axes)["vm-web.qcow2 vda"] == {"size": (0, 1), "allocated": (0, 0.6)}
    marks = {ys(line)[0]: xs(line) for line in axes.lines if line.get_label() == "used inside"}
    assert marks == {
        0: [pytest.approx(0.225)],
        1: [pytest.approx(215 / 300)],
        2: [pytest.approx(170 / 180)],
        3: [0.6],
    }
    assert beside(chart, "vm-web.qcow2 vda") == ["120 GiB", "45 GiB", "75 GiB", "200 GiB"]
    assert beside(chart, "vm-old.qcow2 vda")[1] == "encrypted"
    assert beside(chart, "vm-alone.raw vda")[1] == "not read inside"
    assert chart.alt == (
        "What 6 guest disks take on the host; allocated 660 GiB together; used inside 466 GiB; reclaimable "
        "110 GiB: vm-web.qcow2 vda 75 GiB, vm-db.qcow2 vda 25 GiB and vm-log vda 10 GiB. "
        "Not known inside: vm-old.qcow2 vda and vm-alone.raw vda."
    )
    few = chart_allocated(FILLED, 2)
    assert len(names_on(few.axes[0])) == 2
    assert any(text.startswith("4 other disks with less to give back") for text in texts_on(few))


def test_a_disk_that_takes_far_more_than_it_holds_ends_at_the_edge() -> None:
    chart = chart_allocated(usage(disk("p", "snapshots", 50 * GIB, 4 * GIB, 10 * GIB)))
    assert bars(chart.axes[0])["vm-snapshots vda"]["allocated"] == (0, 2)
    assert line_on(chart.axes[0], "beyond").get_marker() == ">"
    assert hanging_over(chart) == []


def test_what_is_promised_is_drawn_behind_what_is_taken() -> None:
    chart = chart_overcommit(PROMISED)
    drawn = bars(chart.axes[0])
    assert list(drawn) == ["fast", "vmdisk", "iso", "roomy", "still"]  # as in the frame
    assert drawn["fast"]["allocated"] == (0, pytest.approx(0.98))
    assert drawn["fast"]["may still grow"] == (pytest.approx(0.98), pytest.approx(1.28))
    # What fills together is drawn together, and not as its own.
    assert drawn["iso"]["beside it"] == (pytest.approx(0.7), pytest.approx(1.5))
    assert "beside it" not in drawn["vmdisk"]
    assert set(drawn["still"]) == {"allocated", "free"}
    assert xs(line_on(chart.axes[0], "full")) == [1, 1]
    assert beside(chart, "vmdisk") == ["700 GiB", "800 GiB", "300 GiB", "500 GiB", "1000 GiB"]
    assert beside(chart, "still")[3] == "nothing"
    assert "pool not running" in texts_on(chart)
    said = " ".join(texts_on(chart)).replace("\n", " ")
    assert (
        "One volume alone could take all that is free: log in fast; web.qcow2 and db.qcow2 in vmdisk." in said
    )
    assert chart.alt == (
        "What 6 storage pools have promised; more than could be had in fast (short of 56 GiB, promised "
        "128 %), vmdisk (short of 500 GiB, promised 150 %) and iso (short of 500 GiB, promised 70 %); fast "
        "fills first, of which 4 GiB are free; one volume alone could take all that is free: log in fast; "
        "web.qcow2 and db.qcow2 in vmdisk. Not known: off."
    )


def test_where_all_that_is_promised_can_be_had_it_is_said() -> None:
    alt = chart_overcommit(overcommitted(promise("roomy", 500 * GIB, 100 * GIB, 100 * GIB))).alt
    assert alt == (
        "What 1 storage pool has promised; all of it could be had; roomy fills first, of which 400 GiB are "
        "free."
    )


def test_more_room_than_pools_own_growth_needs_tells_of_others() -> None:
    row = promise("p", 100 * GIB, 50 * GIB, 10 * GIB, headroom=2.0)
    drawn = bars(chart_overcommit(overcommitted(row)).axes[0])["p"]
    assert drawn["beside it"] == (pytest.approx(0.6), pytest.approx(0.75))


def test_what_is_promised_many_times_ends_at_the_edge() -> None:
    chart = chart_overcommit(overcommitted(promise("wild", GIB, GIB // 2, 90 * GIB)))
    assert bars(chart.axes[0])["wild"]["may still grow"][1] == promised_.FARTHEST
    assert xs(line_on(chart.axes[0], "beyond")) == [promised_.FARTHEST]
    assert hanging_over(chart) == []


def areas(chart: Chart) -> dict[str, float]:
    """Sum up what each part takes of a map, in square inches."""
    found: dict[str, float] = defaultdict(float)
    for box in chart.axes[0].patches:
        assert isinstance(box, Rectangle)
        found[str(box.get_label())] += box.get_width() * box.get_height()
    return found


def test_areas_are_in_proportion() -> None:
    chart = chart_volume_map(FILLED)
    drawn = areas(chart)
    assert drawn["vmdisk"] / drawn["fast"] == pytest.approx(570 / 180)
    assert drawn["in no running pool"] / drawn["fast"] == pytest.approx(40 / 180)
    one = areas(chart_volume_map(FILLED[FILLED["pool"] == "vmdisk"]))
    per = one["used inside"] / 280
    sizes = {"reclaimable": 100, "shared": 30, "not known": 60, "unused": 90, "other": 10}
    assert {part: one[part] / per for part in sizes} == pytest.approx(sizes)
    assert {"db.qcow2", "240 GiB", "vmdisk", "570 GiB", "left.qcow2"} <= set(texts_on(chart))
    assert chart.alt.startswith(
        "What 9 images in 3 pools take: 790 GiB; by pool vmdisk 570 GiB, fast 180 GiB and"
    )
    assert "the largest are db.qcow2 in vmdisk 240 GiB, log in fast 180 GiB," in chart.alt


def test_boxes_of_a_map_do_not_overlap() -> None:
    chart = chart_volume_map(FILLED)
    assert hanging_over(chart) == []
    boxes = [box for box in chart.axes[0].patches if box.get_label() in PARTS]
    edges = np.array([cast("Any", box).get_bbox().extents for box in boxes])
    left, bottom, right, top = edges.T
    for n in range(len(edges)):
        wide = np.minimum(right, right[n]) - np.maximum(left, left[n])
        high = np.minimum(top, top[n]) - np.maximum(bottom, bottom[n])
        assert (wide * (wide > 0) * high * (high > 0) > 1e-9).sum() == 1  # itself


def test_a_thousand_images_are_put_together() -> None:
    rows = [image(f"p{n % 50}", f"v{n}", (10 if n % 50 else 3000) * GIB) for n in range(1000)]
    chart = chart_volume_map(usage(*rows))
    assert len(chart.axes[0].patches) < 500
    assert "1000 images in 50 pools" in chart.alt
    assert any(text.startswith("49 sma") for text in texts_on(chart))
    assert areas(chart)["49 smaller pools"] / areas(chart)["p0"] == pytest.approx(9800 / 60_000)


def test_parts_differ_in_grey_and_can_be_read() -> None:
    for part, look in PARTS.items():
        assert contrast(look["facecolor"], look["ink"]) > 4.5, part
    plain = [look["facecolor"] for look in PARTS.values() if not look["hatch"]]
    # Of each from every other: any two may lie side by side, where what is between them is nothing.
    assert min(contrast(a, b) for a, b in combinations(plain, 2)) > 1.25


def test_what_a_scale_says_does_not_overlap_where_there_is_little_room() -> None:
    much = promise("with a name of some length here", 100 * GIB, 50 * GIB, 10**7 * GIB)
    chart = chart_overcommit(overcommitted(much))
    chart.draw_without_rendering()
    said = [tick.label1.get_window_extent() for tick in chart.axes[0].xaxis.get_major_ticks()]
    assert len(said) > 1
    assert all(right.x0 - left.x1 > 2 for left, right in pairwise(said))


def test_the_charts_of_a_fleets_frames_tell_hosts_apart() -> None:
    other = FILLED.copy()
    other["host"] = other["host"].where(other["host"].isna(), "kvm2")
    two = pd.concat([FILLED, other])
    assert "web.qcow2, kvm2" in names_on(chart_largest(two).axes[0])
    assert "vm-log vda, kvm1" in names_on(chart_allocated(two).axes[0])
    assert "vmdisk, kvm2" in areas(chart_volume_map(two))
