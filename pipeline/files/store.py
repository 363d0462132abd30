"""Safetensors, JSON and CSV files. The same values give the same bytes, and every file that a stage reads carries a checksum of
its content, so that reading gives what was written or ends with one sentence.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from pipeline.domain.masks import Mask
from pipeline.files.whole import replacing
from pipeline.values.errors import UserError

Arrays = dict[str, NDArray[Any]]
Found = TypeVar("Found", bound=Mapping[str, NDArray[Any]])

CHECKSUM = "checksum"  # the key of a JSON file and of an array file's metadata; in a table, "checksum=…" is the last column
NO_CHECKSUM = "it has no checksum, because it was edited or is of an older version"
OTHER_CONTENT = "its checksum is that of another content"
LONGEST = 300  # characters of what is said about a damaged file, because libraries repeat what they found in it


class MissingError(UserError):
    def __init__(self, path: Path, target: str = "") -> None:
        super().__init__(f"{path} is missing; `{_repro(target)}` makes it")


class DamagedError(UserError):
    """A file's content is not what was written. problem: what is wrong with it."""

    def __init__(self, path: Path, problem: object, target: str = "") -> None:
        """target: what `dvc repro` takes to make the file; without it, plain `dvc repro` is named."""
        told = " ".join(str(problem).split())
        self.problem = told if len(told) <= LONGEST else f"{told[:LONGEST]} …"
        super().__init__(f"{path} is damaged ({self.problem}); delete it and run `{_repro(target)}`")


class Shaped(Protocol):
    """A layer, or an array like its weights."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


# --- JSON


def write_plain_json(path: Path, value: Any) -> None:
    """Without a checksum: for files that no stage reads, such as DVC's metrics, whose every key is a column of `dvc exp show`."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """The last key is the checksum of the others."""
    write_plain_json(path, {**value, CHECKSUM: _checksum(json.dumps(value, allow_nan=False))})


def read_json(path: Path, target: str = "") -> dict[str, Any]:
    """target: what `dvc repro` takes to make the file. Raises: UserError when the file is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingError(path, target) from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"it is not valid JSON: {error}", target) from None
    if not isinstance(found, dict) or CHECKSUM not in found:
        raise DamagedError(path, NO_CHECKSUM, target)
    checksum = found.pop(CHECKSUM)
    if checksum != _checksum(json.dumps(found)):
        raise DamagedError(path, OTHER_CONTENT, target)
    return found


# --- Tables


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Floats are written with the fewest digits that read back as the same number; None is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_table(path, text.getvalue())


def write_table(path: Path, text: str) -> None:
    """text: CSV whose lines end with a newline. The file has a last column without cells, whose name is the checksum."""
    header, rows = text.split("\n", 1)
    write_bytes(path, f"{header},{CHECKSUM}={_checksum(text)}\n{rows.replace(chr(10), f',{chr(10)}')}".encode())


def read_table(path: Path, target: str = "") -> str:
    """The text that `write_table` was given. Raises: UserError when the file is missing or damaged."""
    try:
        written = path.read_bytes().decode()
    except FileNotFoundError:
        raise MissingError(path, target) from None
    except UnicodeDecodeError as error:
        raise DamagedError(path, error, target) from None
    header, _, rows = written.partition("\n")
    header, is_there, checksum = header.rpartition(f",{CHECKSUM}=")
    text = f"{header}\n{rows.replace(f',{chr(10)}', chr(10))}"
    if not is_there:
        raise DamagedError(path, NO_CHECKSUM, target)
    if checksum != _checksum(text):
        raise DamagedError(path, OTHER_CONTENT, target)
    return text


def read_csv(path: Path, target: str = "") -> list[dict[str, str]]:
    """The rows of a table as text. Raises: UserError when the file is missing or damaged."""
    return list(csv.DictReader(io.StringIO(read_table(path, target), newline="")))


# --- Arrays


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any] | None = None) -> None:
    """about: more for the file's metadata. The metadata are one text, because safetensors writes several in another order each
    time.
    """
    found = {name: np.asarray(a, a.dtype.newbyteorder("<"), order="C") for name, a in arrays.items()}
    more = dict(about or {})
    text = json.dumps({CHECKSUM: _checksum(json.dumps(more), found), **more})
    write_bytes(path, save(found, metadata={"about": text}))


def read_arrays(path: Path, target: str = "") -> Arrays:
    """Raises: UserError when the file is missing or damaged."""
    arrays, _ = _read(path, target)
    return arrays


def require(path: Path, found: Found, layers: Mapping[str, Shaped], target: str = "") -> Found:
    """What was found in a file. Raises: UserError unless all layers are in it with their shapes and finite values."""
    for name, layer in layers.items():
        problem = ""
        if name not in found:
            problem = f"it has no {name}"
        elif found[name].shape != layer.shape:
            problem = f"{name} has the shape {found[name].shape} instead of {layer.shape}"
        elif found[name].dtype.kind not in "biuf" or not np.isfinite(found[name]).all():
            problem = f"{name} has values that are not finite"
        if problem:
            raise DamagedError(path, problem, target)
    return found


def checksum_of(path: Path) -> str:
    """The checksum that an array file carries, which is the same for the same arrays. It is not verified."""
    return str(_open(path, with_arrays=False)[1].get(CHECKSUM))


def write_mask(path: Path, mask: Mask) -> None:
    """Writes one bit for each weight; the shapes are in the file's metadata."""
    shapes = {name: a.shape for name, a in mask.items()}
    write_arrays(path, {name: np.packbits(a) for name, a in mask.items()}, {"shapes": shapes})


def read_mask(path: Path, target: str = "") -> Mask:
    """Raises: UserError when the file is missing or damaged, or holds something else."""
    packed, about = _read(path, target)
    shapes = about.get("shapes")
    if not isinstance(shapes, dict) or {*shapes} != {*packed}:
        raise DamagedError(path, "it holds no masks", target)
    for name, bits in packed.items():
        shape = shapes[name]
        if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise DamagedError(path, f"{name} has the shape {shape!r}", target)
        if bits.dtype != np.uint8 or bits.shape != (-(-math.prod(shape) // 8),):
            raise DamagedError(path, f"{name} has {bits.dtype} {bits.shape} for a mask of the shape {tuple(shape)}", target)
    try:
        return Mask(
            {n: np.unpackbits(p, count=math.prod(shapes[n])).astype(np.bool_).reshape(shapes[n]) for n, p in packed.items()}
        )
    except (ValueError, TypeError, OverflowError) as error:  # a shape that no array can have, such as one of 70 dimensions
        raise DamagedError(path, f"its shapes are not those of masks: {error}", target) from None


def _read(path: Path, target: str = "") -> tuple[Arrays, dict[str, Any]]:
    arrays, about = _open(path, target)
    if CHECKSUM not in about:
        raise DamagedError(path, NO_CHECKSUM, target)
    checksum = about.pop(CHECKSUM)
    if checksum != _checksum(json.dumps(about), arrays):
        raise DamagedError(path, OTHER_CONTENT, target)
    return arrays, about


def _open(path: Path, target: str = "", with_arrays: bool = True) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file, and what it says about them, of which nothing is verified."""
    try:
        with safe_open(path, framework="np") as file:
            names = file.keys() if with_arrays else []
            found = {name: file.get_tensor(name) for name in names}
            about = json.loads((file.metadata() or {}).get("about", "{}"))
    except FileNotFoundError:
        raise MissingError(path, target) from None
    except OSError:
        raise
    except Exception as error:  # safetensors raises errors of many kinds for damaged headers
        raise DamagedError(path, error, target) from error
    return found, about if isinstance(about, dict) else {}


def _repro(target: str) -> str:
    return f"dvc repro {target}".rstrip()


def _checksum(text: str, arrays: Mapping[str, NDArray[Any]] | None = None) -> str:
    """Of a text and of the names, types, shapes and bytes of arrays, in any order; half of SHA-256 is enough against damage."""
    found = hashlib.sha256(text.encode())
    for name, array in sorted((arrays or {}).items()):
        found.update(json.dumps([name, array.dtype.name, array.shape, array.nbytes]).encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()[:32]
