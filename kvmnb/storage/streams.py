"""A volume's content through libvirt's streams: sparse both ways, hashed, with progress.

libvirt's ``recvAll`` takes no notice of a short write, and an error of the far side shows only in ``finish``:
so every write here is complete or raises, and every stream is finished or aborted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from kvmnb.storage.files import publish

#: Told how many bytes are behind and how many there are in all.
Progress = Callable[[int, int], None]

_ZEROS = bytes(1 << 20)


def silent(_done: int, _total: int) -> None:
    """Take a report of progress and show nothing."""


def volume(connection: libvirt.virConnect, pool: str, name: str) -> libvirt.virStorageVol:
    """Look a volume up."""
    return connection.storagePoolLookupByName(pool).storageVolLookupByName(name)


@contextmanager
def _stream(connection: libvirt.virConnect) -> Iterator[libvirt.virStream]:
    """Give a stream that is finished at the end, so that late errors show, and aborted on a failure."""
    stream = connection.newStream(0)
    complete = False
    try:
        yield stream
        complete = True
    finally:
        if not complete:  # whatever ended it, Ctrl-C too: the daemon must be told
            _abort(stream)
    stream.finish()


def _abort(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return  # the stream has ended by itself; the error that is on its way says why


def _hash_zeros(sha: hashlib._Hash, length: int) -> None:
    while length > 0:
        sha.update(_ZEROS[: min(length, len(_ZEROS))])
        length -= len(_ZEROS)


def zeros_digest(length: int) -> str:
    """Give the SHA-256 of so many zeros."""
    sha = hashlib.sha256()
    _hash_zeros(sha, length)
    return sha.hexdigest()


def digest(connection: libvirt.virConnect, pool: str, name: str, length: int) -> str:
    """Hash the first bytes of a volume's content; length 0 means all of it.

    Returns
    -------
    str
        The SHA-256, in hexadecimal; holes count as the zeros that they read as.
    """
    sha = hashlib.sha256()
    with _stream(connection) as stream:
        volume(connection, pool, name).download(
            stream, 0, length, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM
        )
        stream.sparseRecvAll(
            lambda _s, data, _o: sha.update(data), lambda _s, hole, _o: _hash_zeros(sha, hole), None
        )
    return sha.hexdigest()


def download(
    connection: libvirt.virConnect, pool: str, name: str, file: Path, progress: Progress = silent
) -> str:
    """Copy a volume's content to a new file, holes as holes.

    The file takes its name only once it is complete and its hash has been read back from the disk.

    Returns
    -------
    str
        The SHA-256 of the content.
    """
    # A name that nobody has, so that what is unlinked in the end is always what was made here.
    part = file.with_name(f".kvmnb-{secrets.token_hex(8)}.part")
    sha = hashlib.sha256()
    raw = volume(connection, pool, name)
    total = int(raw.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
    made = part.open("xb")
    try:
        with made as out:

            def data(_stream: libvirt.virStream, block: bytes, _opaque: object) -> None:
                out.write(block)  # a BufferedWriter writes all or raises
                sha.update(block)
                progress(out.tell(), total)

            def hole(_stream: libvirt.virStream, length: int, _opaque: object) -> None:
                out.truncate(out.seek(length, os.SEEK_CUR))
                _hash_zeros(sha, length)
                progress(out.tell(), total)

            with _stream(connection) as stream:
                raw.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
                stream.sparseRecvAll(data, hole, None)
            out.flush()
            os.fsync(out.fileno())
        with part.open("rb") as written:
            if hashlib.file_digest(written, "sha256").hexdigest() != sha.hexdigest():
                raise OSError(errno.EIO, "what was written reads back differently", str(part))
        publish(part, file)
    finally:
        part.unlink(missing_ok=True)
    return sha.hexdigest()


def upload(
    connection: libvirt.virConnect, pool: str, name: str, file: Path, progress: Progress = silent
) -> str:
    """Write a file over a volume's content.

    Holes are sent as holes only where that leaves the same content as zeros would: the daemon skips a hole,
    so that what was there before stays, and it cuts the volume off at the end of the last one.

    Returns
    -------
    str
        The SHA-256 of what was sent.
    """
    sha = hashlib.sha256()
    raw = volume(connection, pool, name)
    with file.open("rb", buffering=0) as source, _stream(connection) as stream:
        before = os.fstat(source.fileno())
        total = before.st_size
        _type, capacity, allocation = raw.info()
        sparse = allocation == 0 and capacity == total

        def section(_stream: libvirt.virStream, _opaque: object) -> tuple[bool, int]:
            here = source.tell()
            return _section(source.fileno(), here, total) if sparse else (here < total, total - here)

        def data(_stream: libvirt.virStream, length: int, _opaque: object) -> bytes:
            block = source.read(length)
            sha.update(block)
            progress(source.tell(), total)
            return block

        def skip(_stream: libvirt.virStream, length: int, _opaque: object) -> int:
            _hash_zeros(sha, length)
            progress(source.seek(length, os.SEEK_CUR), total)
            return 0

        raw.upload(stream, 0, total, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        stream.sparseSendAll(data, section, skip, None)
        after = os.fstat(source.fileno())
        if source.tell() != total or (after.st_size, after.st_mtime_ns) != (total, before.st_mtime_ns):
            raise OSError(errno.EIO, "the file was changed while it was sent", str(file))
    return sha.hexdigest()


def _section(fd: int, here: int, total: int) -> tuple[bool, int]:
    """Say whether a position is in data, and how long that stretch of data or hole goes on."""
    if here >= total:
        return False, 0
    try:
        data = os.lseek(fd, here, os.SEEK_DATA)
        end = os.lseek(fd, here, os.SEEK_HOLE) if data == here else data
    except OSError as error:
        if error.errno != errno.ENXIO:  # ENXIO: nothing but a hole from here to the end
            raise
        data, end = total, total
    os.lseek(fd, here, os.SEEK_SET)
    return data == here, min(end, total) - here
