"""A chart is a figure that shows itself, the same everywhere, and leaves nothing behind."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.text import Text
from PIL import Image, ImageChops

import kvmnb
from kvmnb.notebook.charts import (
    Chart,
    chart_growth,
    chart_layers,
    chart_pool_use,
    chart_sizes,
    chart_speed,
    chart_volume_map,
)
from kvmnb.notebook.charts.figure import DPI, look
from tests.notebook import comparison as made
from tests.notebook import usage
from tests.notebook.drawn import hanging_over


def _picture(bundle: dict[str, str]) -> Any:  # noqa: ANN401 - Pillow's
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


def test_every_chart_shows_itself_in_silence_on_a_light_ground_with_its_words(
    drawn: dict[str, Chart],
) -> None:
    for chart in drawn.values():
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            bundle, about = chart._repr_mimebundle_()
        assert warned == []
        assert bundle["text/plain"] == chart.alt == str(chart) == repr(chart)
        assert about["image/png"]["alt"] == chart.alt
        assert about["image/png"]["width"] == 864
        picture = _picture(bundle)
        assert picture.width == 2 * 864
        assert picture.info["Description"] == chart.alt
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
        assert picture.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        assert len(set(picture.convert("L").tobytes())) > 20


def test_the_picture_s_few_colours_are_those_that_were_drawn(drawn: dict[str, Chart]) -> None:
    """Also of a mark that is there once: by how often they are there it would get another's colour."""
    charts = drawn | {"use": chart_pool_use(usage.FILLED, usage.POOLS), "map": chart_volume_map(usage.FILLED)}
    for name, chart in charts.items():
        whole = io.BytesIO()
        with look():
            chart.savefig(whole, format="png", dpi=2 * DPI)
        bundle, _ = chart._repr_mimebundle_()
        off = ImageChops.difference(Image.open(whole).convert("RGB"), _picture(bundle).convert("RGB"))
        assert max(off.tobytes()) < 24, name


def test_texts_stay_within_the_page(drawn: dict[str, Chart]) -> None:
    for name, chart in drawn.items():
        assert hanging_over(chart) == [], name


def test_what_the_reader_set_up_changes_nothing(drawn: dict[str, Chart]) -> None:
    with mpl.style.context(["dark_background", {"text.parse_math": True, "savefig.transparent": True}]):
        other, _ = chart_speed(made.formats())._repr_mimebundle_()
    usual, _ = drawn["speed"]._repr_mimebundle_()
    assert _picture(other).tobytes() == _picture(usual).tobytes()


def test_pyplot_knows_nothing_of_it() -> None:
    from matplotlib import pyplot  # noqa: PLC0415 - asked only here

    before = pyplot.get_fignums()
    chart_sizes(made.formats())
    assert pyplot.get_fignums() == before


def test_no_chart_is_a_bare_default(drawn: dict[str, Chart]) -> None:
    for chart in drawn.values():
        axes = chart.axes[0]
        assert not axes.spines["top"].get_visible()
        assert not axes.spines["right"].get_visible()
        assert any(panel.get_xlabel() for panel in chart.axes)
        assert {
            family for t in chart.findobj(Text) if isinstance(t, Text) for family in t.get_fontfamily()
        } == {"DejaVu Sans"}


def test_the_charts_are_public_and_can_be_kept(drawn: dict[str, Chart], tmp_path: Path) -> None:
    assert kvmnb.chart_sizes is chart_sizes
    assert kvmnb.chart_growth is chart_growth
    assert kvmnb.chart_layers is chart_layers
    assert kvmnb.chart_speed is chart_speed
    drawn["sizes"].savefig(tmp_path / "sizes.svg")
    assert "<svg" in (tmp_path / "sizes.svg").read_text()
