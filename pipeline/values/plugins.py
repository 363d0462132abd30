"""A folder is a registry: a file in pipeline/{models,data,criteria} defines one plug-in, named like the file.

`mypackage.nets:MyNet` names a user's own model or criterion. Signatures are bound before anything runs.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline.values.errors import UserError

Kind = Literal["models", "data", "criteria"]
KINDS: tuple[str, ...] = get_args(Kind)


def names(kind: Kind) -> list[str]:
    return sorted(p.stem for p in (Path(__file__).parents[1] / kind).glob("*.py") if not p.stem.startswith("_"))


def find(kind: Kind, name: str) -> tuple[str, str]:
    """(module, attribute) of a plug-in. Raises ValueError, listing the valid names, when there is none."""
    module, colon, attribute = name.partition(":")
    # A data set's name is also the name of its DVC stage and file, where a dotted path cannot stand.
    if colon and kind != "data" and all(part.isidentifier() for part in (*module.split("."), attribute)):
        return module, attribute
    if name not in names(kind):
        dotted = "" if kind == "data" else ", or a dotted path such as mypackage.module:Name"
        raise ValueError(f"should be one of {', '.join(names(kind))}{dotted}")
    return f"pipeline.{kind}.{name}", name


def source(kind: Kind, name: str) -> Path | None:
    """The plug-in's file inside this repository, as DVC should watch it."""
    return module_file(find(kind, name)[0])


def module_file(name: str) -> Path | None:
    """The file of a module, when it is in the repository."""
    module = Path(*name.split("."))
    return next((p for p in (module.with_name(f"{module.name}.py"), module / "__init__.py") if p.is_file()), None)


def load(kind: Kind, name: str) -> Callable[..., Any]:
    """Imports a plug-in. Raises: UserError when the module or the attribute is not there."""
    module, attribute = find(kind, name)
    try:
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        raise UserError(f"{kind} {name!r} cannot be loaded: {error}") from error


def check(kind: Kind, name: str, given: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Binds `options` to the plug-in's signature; `given` are the arguments the pipeline passes itself.

    Raises: UserError that lists the options there are.
    """
    plugin = load(kind, name)
    if not callable(plugin):
        raise UserError(f"{kind} {name!r} is a {type(plugin).__name__}, should be a function or a class")
    signature = inspect.signature(plugin)
    try:
        signature.bind(*given, **options)
    except TypeError as error:
        valid = [p for p in list(signature.parameters)[len(given) :]]
        raise UserError(f"{kind} {name!r}: {error}; its options are {', '.join(valid) or 'none'}") from None
