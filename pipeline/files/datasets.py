"""Bundles on disk, in work/data/<set>.safetensors. Reading them needs neither torch nor torchvision nor scikit-learn."""

from dataclasses import fields
from pathlib import Path

from pipeline.domain.bundle import Bundle
from pipeline.files import store
from pipeline.files.store import DamagedError
from pipeline.values import paths
from pipeline.values.errors import UserError


def write_bundle(path: Path, bundle: Bundle) -> None:
    arrays = {field.name: getattr(bundle, field.name) for field in fields(bundle)}
    store.write_arrays(path, {name: array for name, array in arrays.items() if array is not None})


def read_bundle(path: Path) -> Bundle:
    """Raises: UserError with the command that makes the file, when it is missing or damaged."""
    command = f"`dvc repro --force {paths.download(path.stem)}`"
    if not path.is_file():
        raise UserError(f"{path} is missing; {command} makes it")
    try:
        return Bundle(**store.read_arrays(path))
    except (DamagedError, TypeError, ValueError) as error:  # TypeError: an array is missing or unknown
        # --force is needed, because DVC would otherwise restore the file from its cache, which may have the same damaged bytes.
        raise UserError(f"{path} is damaged ({getattr(error, 'problem', error)}); {command} writes it anew") from error


def digest(path: Path) -> str:
    """The checksum of a data set's arrays, which its file carries and `read_bundle` verifies."""
    return store.checksum_of(path)
