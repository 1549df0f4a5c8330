"""Take the README's picture: the step of the pool-setup runbook that creates the volume, in JupyterLab.

Run ``python -m tests.browser.screenshot`` from the top of the repository after the look of a plan or of a
report has changed, and look at ``notebooks/images/pool_setup.png`` before you commit it. It shows the
outputs that are stored in the notebook: nothing is run, and the libvirt daemon is the tests' own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.lab import Lab, Runbook
from tests.daemon import Daemon

_PICTURE = Path(__file__).parent.parent.parent / "notebooks" / "images" / "pool_setup.png"
_FIRST = "Step 5: create a volume"
_LAST = "host.volumes(pool)"
_SCALE = 1.5


def _take(runbook: Runbook) -> None:
    """Keep the picture of the cells from the first to the last."""
    page = runbook.page
    page.keyboard.press("ControlOrMeta+b")  # the file browser away, for the cells to have its place
    # Cells out of sight have an estimated height, and move the others when they come into sight.
    page.add_style_tag(content=".jp-Cell { content-visibility: visible !important }")
    top = page.locator(".jp-Cell", has_text=_FIRST)
    top.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    first, last = top.bounding_box(), runbook.cell(_LAST).bounding_box()
    if first is None or last is None:
        raise LookupError(f"the notebook has no cell {_FIRST if first is None else _LAST!r}")
    height = last["y"] + last["height"] - first["y"]
    page.screenshot(
        path=_PICTURE,
        clip={"x": first["x"], "y": first["y"], "width": first["width"], "height": height},
    )


def main() -> None:
    """Take the picture and make the file small."""
    with (
        Daemon() as daemon,
        tempfile.TemporaryDirectory() as base,
        Lab(daemon, Path(base)) as lab,
        lab.open("01_pool_setup.ipynb", width=1000, height=1200, scale=_SCALE) as runbook,
    ):
        _take(runbook)
    # A page has few colours; a palette of them halves the file.
    with Image.open(_PICTURE) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(_PICTURE, optimize=True)


if __name__ == "__main__":
    main()
