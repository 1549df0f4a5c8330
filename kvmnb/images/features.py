"""What a format can do, found by doing it and reading back what came of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kvmnb.errors import BadValue, KvmnbError
from kvmnb.images import qemu_img
from kvmnb.images.candidates import RAW, Candidate
from kvmnb.images.sizes import create, size_of
from kvmnb.images.workspace import why
from kvmnb.programs import run

#: Every format can make an image so small, and it is large enough to tell one outcome from the other.
_SIZE = 16 << 20

#: How much is written.
_PIECE = 1 << 20

#: Bytes to write and look for.
_OLD, _NEW = "0x6b", "0x76"

#: LUKS times the processor before it makes a key, which fails now and then on a busy one.
_TRIES = 40

#: What qemu-img says then. It has no code for it.
_BUSY = "Unable to get accurate CPU usage"

#: What is said where the fault is not the format's: the place's, the processor's.
_UNTRIED = ("No space left on device", _BUSY, "did not end within")


@dataclass(slots=True)
class Features:
    """What was found of one candidate.

    Parameters
    ----------
    can : dict of str to bool or None
        By the names of `kvmnb.schema.FEATURES`; None where it could not be tried.
    cipher : str or None
        How its content can be encrypted.
    reasons : list of str
        What was said where something did not work.
    """

    can: dict[str, bool | None] = field(default_factory=dict)
    cipher: str | None = None
    reasons: list[str] = field(default_factory=list)


#: Tells whether nobody waits for the answer any more.
Stopped = Callable[[], bool]


def _never() -> bool:
    return False


def find_features(candidate: Candidate, folder: Path, stopped: Stopped = _never) -> Features:
    """Try what a candidate can do.

    Parameters
    ----------
    candidate : Candidate
        The format and its options.
    folder : Path
        An empty folder to work in; what is made is removed again.
    stopped : callable
        Whether to leave out what has not been tried yet.

    Returns
    -------
    Features
        All but encryption, and whether discards give space back, which the sizes tell.
    """
    found = Features()
    trials: dict[str, Callable[[Candidate, Path], bool]] = {
        "snapshots": _snapshots,
        "overlays": _overlays,
        "base": _base,
        "compression": _compression,
        "grow": _grow,
        "shrink": _shrink,
    }
    for name, trial in trials.items():
        stop = stopped()
        found.can[name] = None if stop else _try(found, name, partial(trial, candidate, folder), folder)
    return found


def find_encryption(candidate: Candidate, folder: Path, stopped: Stopped = _never) -> Features:
    """Try whether a candidate's content can be encrypted. LUKS takes seconds, by design.

    Parameters
    ----------
    candidate : Candidate
        The format and its options.
    folder : Path
        An empty folder to work in; what is made is removed again.
    stopped : callable
        Whether to leave out what has not been tried yet.

    Returns
    -------
    Features
        ``encryption`` alone, and the cipher.
    """
    found = Features()
    for cipher in ("luks", "aes"):
        if stopped():
            found.can.setdefault("encryption", None)
        elif found.can.get("encryption", False) is False:  # an untried better cipher is not replaced
            trial = partial(_encryption, candidate, folder, cipher, stopped)
            found.can["encryption"] = _try(found, f"encryption with {cipher}", trial, folder)
            found.cipher = cipher if found.can["encryption"] else None
    return found


def _try(found: Features, name: str, trial: Callable[[], bool], folder: Path) -> bool | None:
    try:
        worked = trial()
    except (KvmnbError, OSError) as error:
        found.reasons.append(f"{name}: {why(error)}")
        full = shutil.disk_usage(folder).free < _SIZE  # qemu-io does not always say so
        return None if full or any(words in why(error) for words in _UNTRIED) else False
    finally:
        for left in folder.iterdir():
            left.unlink()
    if not worked:
        found.reasons.append(f"{name}: qemu-img did it, but to no effect")
    return worked


def _image(candidate: Candidate, folder: Path, name: str = "image") -> Path:
    """Make an image with a piece of old data at its beginning."""
    path = folder / name
    create(candidate, path, _SIZE)
    qemu_img.io(path, candidate.format, [f"write -q -P {_OLD} 0 {_PIECE}"])
    return path


def _holds(path: Path, format: str, pattern: str) -> bool:
    """Tell whether an image has such bytes at its beginning."""
    try:
        qemu_img.io(path, format, [f"read -q -P {pattern} 0 {_PIECE}"])
    except BadValue:
        return False
    return True


def _snapshots(candidate: Candidate, folder: Path) -> bool:
    image = _image(candidate, folder)
    qemu_img.snapshot(image, candidate.format, "create", "before")
    qemu_img.io(image, candidate.format, [f"write -q -P {_NEW} 0 {_PIECE}"])
    qemu_img.snapshot(image, candidate.format, "apply", "before")
    return _holds(image, candidate.format, _OLD)


def _lies_on(overlay: Candidate, below: Candidate, folder: Path) -> bool:
    """Make an overlay, write to it, and see that both keep what they hold."""
    base, path = _image(below, folder), folder / "overlay"
    qemu_img.create(path, overlay.format, None, dict(overlay.options), backing=(str(base), below.format))
    through = _holds(path, overlay.format, _OLD)
    qemu_img.io(path, overlay.format, [f"write -q -P {_NEW} 0 {_PIECE}"])
    return through and _holds(path, overlay.format, _NEW) and _holds(base, below.format, _OLD)


def _overlays(candidate: Candidate, folder: Path) -> bool:
    # The same format below: vmdk takes no other.
    return _lies_on(candidate, Candidate("base", candidate.format), folder)


def _base(candidate: Candidate, folder: Path) -> bool:
    return _lies_on(Candidate("overlay", "qcow2"), candidate, folder)


def _compression(candidate: Candidate, folder: Path) -> bool:
    source = _image(RAW, folder, "source")
    taken = {}
    for compress in (False, True):
        path = folder / f"compressed {compress}"
        options = dict(candidate.options)
        qemu_img.convert((source, "raw"), (path, candidate.format), options, compress=compress)
        taken[compress] = size_of(path).allocated
    # One repeated byte compresses to almost nothing; some kinds of vmdk compress without being told to.
    return taken[True] < max(taken[False] - _PIECE // 2, _PIECE // 2)


def _resized(candidate: Candidate, folder: Path, size: int) -> bool:
    image = _image(candidate, folder)
    qemu_img.resize(image, candidate.format, size, shrink=True)
    told = qemu_img.info(image, candidate.format).virtual_size
    return told == size and _holds(image, candidate.format, _OLD)


def _grow(candidate: Candidate, folder: Path) -> bool:
    return _resized(candidate, folder, 2 * _SIZE)


def _shrink(candidate: Candidate, folder: Path) -> bool:
    return _resized(candidate, folder, _SIZE // 2)


def _encryption(candidate: Candidate, folder: Path, cipher: str, stopped: Stopped) -> bool:
    """Make an encrypted image, write to it, and see that what was written is not to be found in it."""
    path, secret = folder / "image", folder / "secret"
    secret.write_text(secrets.token_hex(16))
    key = ["--object", f"secret,id=key,file={str(secret).replace(',', ',,')}"]
    options = {**dict(candidate.options), "encrypt.format": cipher, "encrypt.key-secret": "key"}
    if cipher == "luks" and candidate.format == "qcow2":
        # The passphrase of an image that is thrown away need not be hard to guess.
        options.setdefault("encrypt.iter-time", "10")
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    command = ["qemu-img", "create", "-q", *key, "-f", candidate.format, *given, str(path), str(_SIZE)]
    for attempt in range(_TRIES):
        done = run(command, timeout=60, memory=8 << 30, check=attempt == _TRIES - 1)
        if done.returncode == 0 or _BUSY not in done.stderr or stopped():
            break
    if done.returncode != 0:
        run(command, timeout=60, memory=8 << 30)  # once more, for its error
    place = str(path).replace(",", ",,")
    opened = f"driver={candidate.format},encrypt.key-secret=key,file.driver=file,file.filename={place}"
    write = [*key, "--image-opts", opened, "-c", f"write -q -P {_OLD} 0 {_PIECE}"]
    run(["qemu-io", *write], timeout=60, memory=8 << 30)
    return bytes([int(_OLD, 16)]) * 64 not in path.read_bytes()
