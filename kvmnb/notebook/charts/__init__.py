"""Charts of storage and of the comparison of formats; matplotlib loads when the first is asked for."""

from __future__ import annotations

from kvmnb.notebook.charts.figure import Chart
from kvmnb.notebook.charts.growth import chart_growth
from kvmnb.notebook.charts.layers import chart_layers
from kvmnb.notebook.charts.pools import chart_pools
from kvmnb.notebook.charts.sizes import chart_sizes
from kvmnb.notebook.charts.speed import chart_speed
from kvmnb.notebook.charts.trend import chart_trend

__all__ = [
    "Chart",
    "chart_growth",
    "chart_layers",
    "chart_pools",
    "chart_sizes",
    "chart_speed",
    "chart_trend",
]
