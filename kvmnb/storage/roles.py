"""What a field of an action or a recipe stands for, so that a form can be made from it. Pure.

A field says its role in its annotation: ``pool: PoolName``. To everything but a form that is a plain ``str``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated


class Role(StrEnum):
    """What the value of a field is, beyond its type."""

    TEXT = "text"
    POOL = "pool"  #: the name of a pool that there is
    NEW_POOL = "new pool"
    VOLUME = "volume"  #: the name of a volume of the pool in the same action's field ``pool``
    NEW_VOLUME = "new volume"
    GUEST = "guest"
    NEW_GUEST = "new guest"
    IMAGE = "image"  #: the absolute path of a disk image that there is
    FILE = "file"  #: the path of a file of this machine that there is
    NEW_FILE = "new file"
    FOLDER = "folder"
    SNAPSHOT = "snapshot"  #: a snapshot in the image of the same action's field ``path``
    SIZE = "size"  #: bytes
    FORMAT = "format"
    POOL_TYPE = "pool type"
    CONFIRM = "confirm"  #: the name of what would be lost, as the word that it is meant
    WORD = "word"  #: true once the field's own name is given, as the word that it is meant


PoolName = Annotated[str, Role.POOL]
NewPoolName = Annotated[str, Role.NEW_POOL]
PoolType = Annotated[str, Role.POOL_TYPE]
VolumeName = Annotated[str, Role.VOLUME]
NewVolumeName = Annotated[str, Role.NEW_VOLUME]
GuestName = Annotated[str, Role.GUEST]
NewGuestName = Annotated[str, Role.NEW_GUEST]
ImagePath = Annotated[str, Role.IMAGE]
FilePath = Annotated[str, Role.FILE]
NewFilePath = Annotated[str, Role.NEW_FILE]
FolderPath = Annotated[str, Role.FOLDER]
SnapshotName = Annotated[str, Role.SNAPSHOT]
Size = Annotated[int, Role.SIZE]
Format = Annotated[str, Role.FORMAT]
Confirm = Annotated[str, Role.CONFIRM]
Word = Annotated[bool, Role.WORD]
