"""Safetensors, JSON and CSV files: the same values give the same bytes, and no file is ever half written."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError

Arrays = dict[str, NDArray[Any]]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces `path` when the block ends without an error.

    Raises: UserError when the disk is full or not writable; what was at `path` is then still there.
    """
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{state}") for state in ("tmp", "old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.is_dir():  # a folder cannot be replaced in one step; if the second step fails, the old one is put back
            path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            if old.is_dir():
                old.replace(path)
            raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; what was there before is kept") from error
    finally:
        for left in (temporary, old):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and run `dvc repro`") from None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Floats are written with the fewest digits that read back as the same number; None is an empty cell."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], about: str | None = None) -> None:
    """about: a text for the file's metadata. It is only one, because safetensors writes several in another order each time."""
    contiguous = {name: np.asarray(a, order="C") for name, a in arrays.items()}  # ascontiguousarray turns 0-d into 1-d
    write_bytes(path, save(contiguous, metadata=None if about is None else {"about": about}))


def read_arrays(path: Path) -> Arrays:
    arrays, _ = _read(path)
    return arrays


def write_mask(path: Path, mask: Mask) -> None:
    """Writes one bit for each weight; the shapes are in the file's metadata."""
    shapes = {name: a.shape for name, a in mask.items()}
    write_arrays(path, {name: np.packbits(a) for name, a in mask.items()}, json.dumps(shapes))


def read_mask(path: Path) -> Mask:
    packed, about = _read(path)
    try:
        shapes = {name: tuple(json.loads(about)[name]) for name in packed}
    except (ValueError, KeyError):
        raise UserError(f"{path} holds no masks; delete it and run `dvc repro`") from None
    return Mask(
        {n: np.unpackbits(p, count=int(np.prod(shapes[n]))).astype(np.bool_).reshape(shapes[n]) for n, p in packed.items()}
    )


def _read(path: Path) -> tuple[Arrays, str]:
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get("about", "")  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it") from None
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}); delete it and run `dvc repro`") from None
