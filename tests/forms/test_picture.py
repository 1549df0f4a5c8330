"""A chart as a widget is drawn anew, or says why it cannot be."""

from __future__ import annotations

from kvmnb.forms.picture import Picture
from kvmnb.notebook.charts import chart_pools
from tests.forms.browsed import pool, pools
from tests.notebook.comparison import GIB


def test_a_picture_is_drawn_anew_or_says_why_not() -> None:
    frame = pools(pool("a", GIB, GIB // 2))
    picture = Picture(lambda: chart_pools(frame))
    assert "alt='How full 1 storage pool is; allocated 50 % (a)" in picture.view.value
    frame = pools()
    picture.refresh()
    assert "No picture: There is no pool to draw" in picture.view.value
    assert "<img" not in picture.view.value
