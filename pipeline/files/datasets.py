"""Bundles on disk: work/data/<set>.safetensors. Training reads its data here, without torch, torchvision or scikit-learn."""

from dataclasses import fields
from pathlib import Path

from pipeline.domain.bundle import Bundle
from pipeline.files import store
from pipeline.values import paths
from pipeline.values.errors import UserError


def write_bundle(path: Path, bundle: Bundle) -> None:
    arrays = {field.name: getattr(bundle, field.name) for field in fields(bundle)}
    store.write_arrays(path, {name: array for name, array in arrays.items() if array is not None})


def read_bundle(path: Path) -> Bundle:
    """Raises: UserError that gives the command which makes the file, when it is missing or damaged."""
    command = f"`dvc repro --force {paths.download(path.stem)}`"
    if not path.is_file():
        raise UserError(f"{path} is missing; {command} makes it")
    try:
        return Bundle(**store.read_arrays(path))
    except (UserError, TypeError, ValueError) as error:  # TypeError: an array too few or too many
        # --force, because DVC would otherwise restore what its cache has, which may be the same damaged bytes.
        raise UserError(f"{path} is damaged ({error.__cause__ or error}); {command} writes it anew") from error
