"""The charts draw the frames' own figures, and read in grey print."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.text import Text

from kvmnb.notebook.charts import Chart, chart_growth, chart_layers, chart_sizes, chart_speed
from kvmnb.notebook.charts.growth import spread
from kvmnb.notebook.charts.layers import LOOKS
from kvmnb.schema import STAGES, WORKLOADS
from tests.notebook import comparison as made
from tests.notebook.comparison import GIB, KIB, MIB, SIZES
from tests.notebook.drawn import COW, GROWN, contrast, line_on, names_on, texts_on, xs, ys


def test_sizes_stand_where_they_belong_smallest_first(drawn: dict[str, Chart]) -> None:
    axes = drawn["sizes"].axes[0]
    names = names_on(axes)
    assert sorted(names) == sorted(SIZES)
    assert names[:4] == ["raw", "qcow", "vdi", "vmdk"]
    assert names[-1] == "vpc"  # which was not measured
    for column, called in enumerate(("apparent", "allocated")):
        drawn_at = xs(line_on(axes, called))
        assert list(drawn_at[:-1]) == [SIZES[name][column] for name in names[:-1]]
        assert np.isnan(drawn_at[-1])
    allocated = xs(line_on(axes, "allocated"))[:-1]
    assert list(allocated) == sorted(allocated)
    between = [line for line in axes.lines if line.get_label() == "_between"]
    assert len(between) == len(SIZES)
    top, bottom = axes.get_ylim()[::-1]
    assert top < 0 < len(SIZES) - 1 < bottom  # the first stands above


def test_sizes_are_written_beside_their_marks(drawn: dict[str, Chart]) -> None:
    axes, table = drawn["sizes"].axes
    rows: dict[float, list[str]] = {}
    for text in table.texts:
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    assert rows[names_on(axes).index("vhdx")] == ["8 MiB", "1.21 MiB"]
    assert rows[names_on(axes).index("vpc")] == ["not measured", "not measured"]
    assert ["apparent (ls -l)", "allocated (du)"] in rows.values()


def test_sizes_have_a_line_for_the_virtual_size_and_round_steps(drawn: dict[str, Chart]) -> None:
    axes = drawn["sizes"].axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1 KiB", "1 MiB", "1 GiB"]
    assert list(axes.get_xticks()) == [KIB, MIB, GIB]
    virtual = line_on(axes, "virtual size 1 GiB (16 of 17)")  # that of vpc is not known
    assert set(xs(virtual)) == {GIB}


def test_sizes_that_are_near_each_other_get_finer_steps() -> None:
    rows = [made.candidate(f"n{size}", size * MIB, 60 * MIB, virtual_size=64 * MIB) for size in (65, 90)]
    axes = chart_sizes(made.formats(*rows)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["16 MiB", "64 MiB", "256 MiB"]
    assert axes.get_xlabel().endswith("each line stands for 4 times the one before")
    assert axes.get_xlim()[0] < 16 * MIB


def test_nothing_allocated_stands_at_zero_not_beyond_the_scale() -> None:
    axes = chart_sizes(made.formats(made.candidate("raw", GIB, 0), made.candidate("vdi", 4608, 8192))).axes[0]
    assert axes.get_xticks()[0] == 0
    assert xs(line_on(axes, "allocated"))[0] == 0
    assert axes.get_xlim()[0] < 0
    where = axes.transData.transform([(0, 0), (KIB, 0), (MIB, 0), (GIB, 0)])[:, 0]
    assert list(where) == sorted(where)
    assert where[3] - where[2] == pytest.approx(where[2] - where[1], rel=0.01)


@pytest.mark.parametrize("stage", STAGES)
def test_sizes_of_every_stage(stage: str) -> None:
    sizes = {f"{stage}_apparent": 3 * MIB, f"{stage}_allocated": 2 * MIB}
    chart = chart_sizes(made.formats(made.candidate("qcow2", **sizes)), stage)
    assert xs(line_on(chart.axes[0], "apparent")) == [3 * MIB]
    assert STAGES[stage] in " ".join(texts_on(chart)).replace("\n", " ")
    assert STAGES[stage] in chart.alt


def test_a_size_that_is_half_known_is_drawn_by_half() -> None:
    chart = chart_sizes(made.formats(made.candidate("a", 5, None), made.candidate("b", None, 7)))
    assert names_on(chart.axes[0]) == ["b", "a"]
    assert xs(line_on(chart.axes[0], "apparent"))[1] == 5
    assert texts_on(chart).count("not measured") == 2
    assert chart.alt.endswith("Not measured: a.")


def test_sizes_differ_in_grey(drawn: dict[str, Chart]) -> None:
    axes = drawn["sizes"].axes[0]
    ring, dot = line_on(axes, "apparent"), line_on(axes, "allocated")
    assert contrast(ring.get_markerfacecolor(), dot.get_markerfacecolor()) > 7
    assert ring.get_markersize() > dot.get_markersize() + 2  # seen around the dot where both are equal


def test_growth_draws_every_step_and_gaps_as_gaps(drawn: dict[str, Chart]) -> None:
    axes = drawn["growth"].axes[0]
    for name, allocated in GROWN.items():
        if name == "vpc":
            continue
        line = line_on(axes, name)
        assert xs(line) == [0, 64 * MIB, 128 * MIB]
        expected = [np.nan if value is None else value for value in allocated]
        np.testing.assert_array_equal(ys(line), expected)
    assert "vpc" not in [line.get_label() for line in axes.lines]
    assert "Not measured: vpc." in "\n".join(texts_on(drawn["growth"])).splitlines()


def test_growth_labels_curves_that_run_together_once(drawn: dict[str, Chart]) -> None:
    axes = drawn["growth"].axes[0]
    labels = [text.get_text() for text in axes.texts]
    assert labels.count("qcow2, raw") == 1
    assert set(labels) == {"qcow2, raw", "qed", "raw full", "as much as was written"}
    raw, qcow2, full = (line_on(axes, name) for name in ("raw", "qcow2", "raw full"))
    assert (raw.get_color(), raw.get_marker()) == (qcow2.get_color(), qcow2.get_marker())
    assert raw.get_marker() != full.get_marker()


def test_growth_keeps_curves_apart_that_part_on_the_way() -> None:
    sizes: dict[str, list[int | None]] = {"a": [0, 64 * MIB, 128 * MIB], "b": [0, 128 * MIB, 128 * MIB]}
    labels = {text.get_text() for text in chart_growth(made.growth(sizes)).axes[0].texts}
    assert {"a", "b"} <= labels


def test_growth_has_the_line_of_as_much_as_was_written(drawn: dict[str, Chart]) -> None:
    line = line_on(drawn["growth"].axes[0], "as much as was written")
    assert xs(line) == ys(line) == [0, 128 * MIB]
    assert line.is_dashed()


def test_twenty_growing_apart_differ_without_colour_and_their_labels_do_not_touch() -> None:
    sizes: dict[str, list[int | None]] = {f"n{i:02}": [0, (i + 1) * MIB] for i in range(20)}
    chart = chart_growth(made.growth(sizes))
    axes = chart.axes[0]
    looks = {(line.get_linestyle(), str(line._dash_pattern), line.get_marker()) for line in axes.lines[:20]}  # type: ignore[attr-defined]
    assert len(looks) == 20
    assert all(contrast(line.get_color(), "white") > 4.5 for line in axes.lines)
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: float(box.y0))
    assert len(boxes) == 21
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_labels_are_spread_in_their_order_around_where_they_belong() -> None:
    assert spread([0.2, 0.8], [0.1, 0.1]) == pytest.approx([0.2, 0.8])
    assert spread([0.5, 0.5, 0.5], [0.2] * 3) == pytest.approx([0.3, 0.5, 0.7])
    assert spread([0.0, 0.0], [0.2, 0.2]) == pytest.approx([0.1, 0.3])
    assert spread([1.0, 1.0], [0.2, 0.4]) == pytest.approx([0.5, 0.8])


def test_layers_draw_each_stretch_where_it_lies(drawn: dict[str, Chart]) -> None:
    axes = drawn["layers"].axes[0]
    held: dict[float, str] = {}
    letters = {"base": "b", "overlay": "o", "none": "."}
    for patch in axes.patches:
        if patch.get_label() in letters:
            left, top = patch.get_xy()  # type: ignore[attr-defined]
            assert left == len(held.setdefault(top, "")) * 64 * KIB
            held[top] += letters[str(patch.get_label())] * int(patch.get_width() / (64 * KIB))  # type: ignore[attr-defined]
    assert [held[top] for top in sorted(held)] == [cells for _, cells, _, _ in COW]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first step stands above
    assert axes.get_xlim() == (0, 16 * 64 * KIB)


def test_layers_say_what_was_done_and_what_it_takes(drawn: dict[str, Chart]) -> None:
    texts = texts_on(drawn["layers"])
    for number, (what, _, _, _) in enumerate(COW, 1):
        assert f"{number}  {what}" in texts
    assert texts.count("650 KiB") == 3
    assert {"196 KiB", "452 KiB", "–"} <= set(texts)  # noqa: RUF001
    assert "Each cell is a cluster of 64 KiB." in " ".join(texts)


def test_layers_are_named_in_the_strip_and_above_it() -> None:
    wide = made.layers(("write half", "bb..", MIB, None))
    chart = chart_layers(wide)
    assert [t.get_text() for t in chart.axes[0].texts if t.get_gid() == "stretch"] == [
        "base",
        "nothing written",
    ]
    assert [t.get_text() for t in chart.axes[1].texts][:2] == ["base", "nothing written"]
    assert "not known" in texts_on(chart_layers(made.layers(("look", "b?", MIB, None))))


def test_layers_differ_by_grey_and_by_hatch() -> None:
    looks = list(LOOKS.values())
    assert len({look["hatch"] for look in looks}) == len(looks)
    for one, other in combinations(("base", "overlay", "none"), 2):
        assert contrast(LOOKS[one]["facecolor"], LOOKS[other]["facecolor"]) > 1.5
    for patch in chart_layers(made.layers(*COW)).axes[0].patches:
        if patch.get_label() in LOOKS:
            assert patch.get_hatch() == LOOKS[str(patch.get_label())]["hatch"]


def test_speed_draws_the_median_and_the_rounds(drawn: dict[str, Chart]) -> None:
    frame = made.formats().set_index("candidate")
    for axes, workload in zip(drawn["speed"].axes, WORKLOADS, strict=True):
        assert axes.get_label() == workload
        medians = {ys(line)[0]: line for line in axes.lines if line.get_label() == "median"}
        rounds = {ys(line)[0]: line for line in axes.lines if line.get_label() == "rounds"}
        names = names_on(drawn["speed"].axes[0])
        assert len(medians) == len(rounds) == len(names) - 1
        for at, name in enumerate(names[:-1]):
            row = frame.loc[name]
            assert xs(medians[at]) == [row[workload]]
            assert xs(rounds[at]) == [row[f"{workload}_low"], row[f"{workload}_high"]]


def test_speed_keeps_one_order_and_one_scale_in_all_panels(drawn: dict[str, Chart]) -> None:
    panels = drawn["speed"].axes
    assert names_on(panels[0]) == [name for name in SIZES if name != "vpc"] + ["vpc"]
    assert len({panel.get_xlim() for panel in panels}) == len({panel.get_ylim() for panel in panels}) == 1
    for panel in panels:
        assert set(xs(line_on(panel, "raw"))) == {1}
        assert 1 in panel.get_xticks()
        assert "not measured" in [text.get_text() for text in panel.texts]


@pytest.mark.parametrize(
    ("caches", "unit"),
    [
        (["none"], "times raw (cache=none)"),
        (["writeback", "none", None], "times raw (cache=none, writeback)"),
        ([None], "times raw"),
    ],
)
def test_speed_says_what_it_counts_in(caches: list[str | None], unit: str) -> None:
    rows = [made.candidate(f"c{i}", cache=cache, **made.speeds(i)) for i, cache in enumerate(caches)]
    chart = chart_speed(made.formats(*rows))
    assert [axes.get_xlabel() for axes in chart.axes if axes.get_xlabel()] == [f"throughput, {unit}"]
    assert unit in chart.alt


def test_speed_fills_only_what_can_be_told_from_raw() -> None:
    def speed(low: float, middle: float, high: float) -> dict[str, float]:
        return {"random_read": middle, "random_read_low": low, "random_read_high": high}

    measured = {"slow": speed(0.4, 0.5, 0.6), "alike": speed(0.8, 0.95, 1.1), "fast": speed(1.1, 1.5, 3)}
    chart = chart_speed(made.formats(*(made.candidate(name, **known) for name, known in measured.items())))
    assert names_on(chart.axes[0]) == ["fast", "alike", "slow"]
    dots = [line for line in chart.axes[1].lines if line.get_label() == "median"]
    filled = [contrast(dot.get_markerfacecolor(), "white") > 7 for dot in dots]
    assert filled == [True, False, True]
    assert [text.get_text() for text in chart.axes[0].texts].count("not measured") == 3


def test_a_ratio_that_cannot_be_is_not_measured() -> None:
    zero = made.candidate("zero", random_read=0.0, random_read_low=0.0, random_read_high=0.0)
    chart = chart_speed(made.formats(zero, made.candidate("raw", **made.speeds(0))))
    assert "Not measured: zero." in chart.alt
