"""Plug-ins: each file in pipeline/{arms,criteria,data,inits,models,structures,tasks} defines one function, named like the file.

`mypackage.nets:MyNet` names a function or class of the user's own, from anywhere on the Python path. A plug-in asks for
what the pipeline offers by the names of its parameters; every other parameter is an option, which params.yaml sets.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline.values.errors import UserError, blaming, type_of

Kind = Literal["arms", "criteria", "data", "inits", "models", "structures", "tasks"]
Source = tuple[Kind, str]  # identifies the code of a plug-in
KINDS: tuple[str, ...] = get_args(Kind)
OFFERED: dict[str, tuple[str, ...]] = {
    "arms": (),
    "criteria": (
        *("trained", "initial", "rewound", "mask", "rng"),
        *("module", "start_module", "loss", "batch", "batches", "gradient"),
    ),
    "data": ("folder",),
    "inits": ("module", "generator"),
    "models": ("shape", "outputs"),
    "structures": ("layers", "rates", "scope", "module", "example"),
    "tasks": (),
}
ALIASES = {("models", "torchvision"): "pipeline.models._torchvision"}  # modules of ours, by what users call them
CALLED = {
    "arms": "arm", "criteria": "criterion", "data": "data set", "inits": "init", "models": "model", "structures": "structure",
    "tasks": "task",
}  # fmt: skip


@dataclass(frozen=True)
class Plugin:
    """A plug-in with options that fit its signature."""

    kind: Kind
    name: str
    function: Callable[..., Any]
    options: Mapping[str, Any]

    @property
    def asks(self) -> frozenset[str]:
        """The names of those things that the plug-in needs among what the pipeline offers to its kind."""
        return frozenset(_asked(self.kind, inspect.signature(self.function)))

    @property
    def source(self) -> Source:
        return self.kind, self.name

    def __call__(self, **offered: Any) -> Any:
        """Calls the plug-in with what it asks for. Raises: UserError with the reason when it fails."""
        with blaming(f"{self} failed"):
            return self.function(**{name: offered[name] for name in self.asks}, **self.options)

    def __str__(self) -> str:
        return f"{CALLED[self.kind]} {self.name!r}"


def names(kind: Kind) -> list[str]:
    """The names of this repository's plug-ins of one kind."""
    return sorted(p.stem for p in (Path(__file__).parents[1] / kind).glob("*.py") if not p.stem.startswith("_"))


def find(kind: Kind, name: str) -> tuple[str, str]:
    """The module and the attribute of a plug-in. Raises: ValueError that lists the valid names when there is no such plug-in."""
    module, colon, attribute = name.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), attribute)):
        return ALIASES.get((kind, module), module), attribute
    if name not in names(kind):
        raise ValueError(f"should be one of {', '.join(names(kind))}, or a dotted path such as mypackage.module:name")
    return f"pipeline.{kind}.{name}", name


def bind(kind: Kind, name: str, options: Mapping[str, Any]) -> Plugin:
    """Imports a plug-in and binds its options to its signature before anything runs.

    Raises: UserError with the reason when it cannot be imported, or with its valid options when those given do not fit.
    """
    function = _load(kind, name)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise UserError(
            f"{CALLED[kind]} {name!r} is {type_of(function)} without a signature; should be a function or a class"
        ) from None
    asked = _asked(kind, signature)
    offered = sorted(set(options).intersection(OFFERED[kind]))
    if offered:
        raise UserError(f"{CALLED[kind]} {name!r}: {', '.join(offered)} comes from the pipeline and cannot be an option")
    try:
        signature.bind(**dict.fromkeys(asked), **options)
    except TypeError as error:
        valid = ", ".join(p.name for p in signature.parameters.values() if p.name not in asked and p.kind not in _VARIADIC)
        offers = f"; it may ask for {', '.join(OFFERED[kind])}" if OFFERED[kind] else ""
        raise UserError(f"{CALLED[kind]} {name!r}: {error}; its options are {valid or 'none'}{offers}") from None
    return Plugin(kind, name, function, dict(options))


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _asked(kind: Kind, signature: inspect.Signature) -> list[str]:
    return [name for name in OFFERED[kind] if name in signature.parameters]


def _load(kind: Kind, name: str) -> Callable[..., Any]:
    module, attribute = find(kind, name)
    with blaming(f"{CALLED[kind]} {name!r} cannot be loaded"):
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
