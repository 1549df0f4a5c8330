"""Progress as a person sees it: how much, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kvmnb.notebook.tables import printable

if TYPE_CHECKING:
    from kvmnb.storage.streams import Progress


def progress_bar(words: str) -> Progress:
    """Make a progress bar for one action; give it to `Host.apply` as ``progress``.

    Parameters
    ----------
    words : str
        What the action does.

    Returns
    -------
    callable
        To be told how many bytes are behind and how many there are in all. The bar is drawn by the thread
        that tells it, so that ipykernel shows it.
    """
    return _bar(words, unit="B", unit_scale=True, unit_divisor=1024)


def step_bar(words: str) -> Progress:
    """Make a progress bar for work that goes in steps; give it to `kvmnb.compare_formats` as ``progress``.

    Parameters
    ----------
    words : str
        What is being done.

    Returns
    -------
    callable
        To be told how many steps are behind and how many there are in all, by the thread that is to draw it.
    """
    return _bar(
        words, unit=" steps", bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}]"
    )


def guest_bar(words: str) -> Callable[[int, int, str], None]:
    """Make a progress bar for reading guests; give it to `Host.df` as ``progress``.

    Parameters
    ----------
    words : str
        What is being done.

    Returns
    -------
    callable
        To be told how many guests are behind, how many there are in all, and the name of one that is being
        read, by the thread that is to draw it.
    """
    return _naming(words, " guests")


def host_bar(words: str) -> Callable[[int, int, str], None]:
    """Make a progress bar for asking many hosts; give it to `Fleet.pools` as ``progress``.

    Parameters
    ----------
    words : str
        What is being done.

    Returns
    -------
    callable
        To be told how many hosts have answered, how many there are in all, and the label of one that has
        not, by the thread that is to draw it.
    """
    return _naming(words, " hosts")


def _naming(words: str, unit: str) -> Callable[[int, int, str], None]:
    """Make a bar that names what is waited for."""
    progress, drawn = _drawn(words, unit=unit, bar_format="{desc}: {bar} {n_fmt}/{total_fmt} [{elapsed}]")

    def tell(done: int, total: int, name: str) -> None:
        # A name could otherwise hold what a terminal obeys.
        drawn.set_description_str(f"{words}: {printable(name)}" if name else words, refresh=False)
        progress(done, total)
        if done < total:
            drawn.refresh()

    return tell


def _bar(words: str, **how: Any) -> Callable[[int, int], None]:  # noqa: ANN401 - tqdm's own options
    return _drawn(words, **how)[0]


def _drawn(words: str, **how: Any) -> tuple[Callable[[int, int], None], Any]:  # noqa: ANN401 - likewise
    from tqdm.auto import tqdm  # noqa: PLC0415 - it loads ipywidgets, which import kvmnb must not

    drawn = tqdm(desc=words, leave=True, **how)

    def progress(done: int, total: int) -> None:
        if drawn.total != total:
            drawn.total = total
            drawn.refresh()
        drawn.update(done - drawn.n)
        if done >= total:
            drawn.close()

    return progress, drawn
