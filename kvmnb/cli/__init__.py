"""The command ``kvmnb``: the frames, the runbooks and the doctor for a terminal."""

from kvmnb.cli.entry import main

__all__ = ["main"]
