"""What qemu-img says of an image, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kvmnb.images.headers import Named


@dataclass(frozen=True, slots=True)
class Info:
    """What an image says of itself, and what it takes on the host. Sizes are bytes.

    Parameters
    ----------
    path : str
        Where it lies.
    format : str
        Its format, as it was said.
    virtual_size : int
        The size that a guest sees.
    apparent_size : int or None
        The end of the file, what ``ls -l`` says; None for a device.
    allocated_size : int or None
        The blocks that it takes, what ``du`` says.
    cluster_size : int or None
        The unit in which it is allocated, where the format has one.
    backing_path, backing_format : str or None
        The image that it is an overlay of.
    data_file : str or None
        The file that holds its data, where it does not do so itself.
    snapshots : tuple of str
        Names of its internal snapshots.
    encrypted, dirty, corrupt : bool
        Whether it is encrypted, was not closed properly, or is marked as corrupt.
    options : tuple of (str, str)
        The options that it was created with, under the names that ``-o`` has for them, as far as it tells.
    """

    path: str
    format: str
    virtual_size: int
    apparent_size: int | None
    allocated_size: int | None
    cluster_size: int | None = None
    backing_path: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    snapshots: tuple[str, ...] = ()
    encrypted: bool = False
    dirty: bool = False
    corrupt: bool = False
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An internal snapshot of an image.

    Parameters
    ----------
    name, id : str
        Its name, and its number within the image. Several may have one name.
    taken : int
        When, in nanoseconds since 1970.
    state_size : int
        Bytes of the guest's memory that were saved with it.
    """

    name: str
    id: str
    taken: int
    state_size: int


@dataclass(frozen=True, slots=True)
class Check:
    """What ``qemu-img check`` found.

    Parameters
    ----------
    corruptions, leaks : int
        Clusters that are wrong, and clusters that are taken but used by nothing.
    repaired : int
        How many of both were mended.
    """

    corruptions: int
    leaks: int
    repaired: int = 0

    @property
    def sound(self) -> bool:
        """Whether the image is consistent; leaks waste space, but harm nothing."""
        return self.corruptions == 0


class Images(Protocol):
    """What a host's plans need to know of image files: each is looked at once, a failure is a sentence."""

    def info(self, path: str, format: str) -> Info | str:
        """Read what an image says of itself, or why it cannot be read."""

    def chain(self, path: str, format: str) -> tuple[tuple[str, str], ...] | str:
        """Give path and format of the images below one, or why they must not be opened."""

    def snapshots(self, path: str, format: str) -> tuple[Snapshot, ...] | str:
        """List the internal snapshots of an image, or say why they cannot be read."""

    def check(self, path: str, format: str) -> Check | str:
        """Tell whether an image is consistent, or why it cannot be checked."""

    def same(self, first: tuple[str, str], second: tuple[str, str]) -> bool | str:
        """Tell whether guests see the same of two images, or why they cannot be compared."""

    def options(self, format: str) -> Mapping[str, str] | str:
        """Give the options that a new image of a format can have, or why there can be none."""

    def measured(self, format: str, size: int, options: Mapping[str, str]) -> str:
        """Say why qemu-img would not make such an image; empty where it would, or cannot tell."""

    def writable(self, folder: str) -> bool:
        """Tell whether files may be made and removed in a folder."""

    def is_link(self, path: str) -> bool:
        """Tell whether a symbolic link lies at a path."""

    def links(self, path: str) -> int:
        """Count the names of a file, hard links; zero where it cannot be known."""

    def named(self, path: str) -> Named:
        """Read which other files a file names, if it is an image of the format that it begins as."""

    def free(self, folder: str) -> int:
        """Give the space that is left for this user in a folder's file system, in bytes."""
