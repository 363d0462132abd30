"""A data set's files: they are used only when they have the known checksums, whatever source they come from."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from pipeline.data._sources import SourceError, by_hand, first_of
from pipeline.values.errors import UserError

Contents = Mapping[str, bytes]
MOST = 250_000_000  # bytes of a file; the largest that is wanted, CIFAR-100's, has 155 million


def obtain(
    name: str, algorithm: str, sums: Mapping[str, str], sources: Mapping[str, Callable[[Path], Contents]], folder: Path
) -> Contents:
    """The files put in place by hand, or else those of the first source that gives files with the known sums.

    Units: sums are hexadecimal, by file, and of the uncompressed content; algorithm is their name in hashlib.
    Raises: UserError when a file put in place by hand is not the known one, or when every source fails.
    """
    if any(_find(by_hand(name), file) for file in sums):
        try:
            return _verified(algorithm, sums, partial(read, files=sums), by_hand(name))
        except (SourceError, OSError) as error:
            raise UserError(
                f"{by_hand(name)}: {error}; replace the file by a good copy, or delete the folder to download the data set"
            ) from error
    verified = {label: partial(_verified, algorithm, sums, fetch) for label, fetch in sources.items()}
    return first_of(name, verified, folder, list(sums))


def read(folder: Path, files: Iterable[str]) -> dict[str, bytes]:
    """The files from anywhere below a folder, gzipped or not.

    Raises: SourceError when one is not there or cannot be unpacked.
    """
    contents = {}
    for file in files:
        path = _find(folder, file)
        if path is None:
            raise SourceError(f"{file} is missing")
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
                contents[file] = opened.read(MOST + 1)  # a small gzip file may hold any number of bytes
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(f"{path.name} is not a whole gzip file ({error})") from error
        if len(contents[file]) > MOST:
            raise SourceError(f"{path.name} holds more than {MOST / 1e6:.0f} MB, which no file of the data set does")
    return contents


def _find(folder: Path, file: str) -> Path | None:
    return next((path for suffix in ("", ".gz") for path in sorted(folder.rglob(file + suffix)) if path.is_file()), None)


def _verified(algorithm: str, sums: Mapping[str, str], fetch: Callable[[Path], Contents], folder: Path) -> Contents:
    contents = fetch(folder)
    for file, expected in sums.items():
        found = hashlib.new(algorithm, contents[file], usedforsecurity=False).hexdigest()
        if found != expected:
            raise SourceError(f"{file} has {algorithm} {found}, expected {expected}")
    return contents
