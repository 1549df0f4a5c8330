"""Charts of storage and of the comparison of formats; matplotlib loads when the first is asked for."""

from __future__ import annotations

from kvmnb.notebook.charts.allocated import chart_allocated
from kvmnb.notebook.charts.figure import Chart
from kvmnb.notebook.charts.growth import chart_growth
from kvmnb.notebook.charts.largest import chart_largest
from kvmnb.notebook.charts.layers import chart_layers
from kvmnb.notebook.charts.pool_use import chart_pool_use
from kvmnb.notebook.charts.pools import chart_pools
from kvmnb.notebook.charts.promised import chart_overcommit
from kvmnb.notebook.charts.sizes import chart_sizes
from kvmnb.notebook.charts.speed import chart_speed
from kvmnb.notebook.charts.trend import chart_trend
from kvmnb.notebook.charts.volume_map import chart_volume_map

__all__ = [
    "Chart",
    "chart_allocated",
    "chart_growth",
    "chart_largest",
    "chart_layers",
    "chart_overcommit",
    "chart_pool_use",
    "chart_pools",
    "chart_sizes",
    "chart_speed",
    "chart_trend",
    "chart_volume_map",
]
