"""Progress as a person sees it: how much, how fast, how long still."""

from __future__ import annotations

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
    from tqdm.auto import tqdm  # noqa: PLC0415 - it loads ipywidgets, which import kvmnb must not

    drawn = tqdm(desc=words, unit="B", unit_scale=True, unit_divisor=1024, leave=True)

    def progress(done: int, total: int) -> None:
        drawn.total = total
        drawn.update(done - drawn.n)
        if done >= total:
            drawn.close()

    return progress
