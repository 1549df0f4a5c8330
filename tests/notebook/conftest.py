"""The four charts, drawn once."""

from __future__ import annotations

import pytest

from kvmnb.notebook.charts import Chart, chart_growth, chart_layers, chart_sizes, chart_speed
from tests.notebook import comparison as made
from tests.notebook.drawn import COW, GROWN


@pytest.fixture(scope="package", name="drawn")
def _drawn() -> dict[str, Chart]:
    compared = made.formats()
    return {
        "sizes": chart_sizes(compared),
        "growth": chart_growth(made.growth(GROWN)),
        "layers": chart_layers(made.layers(*COW)),
        "speed": chart_speed(compared),
    }
