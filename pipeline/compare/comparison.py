"""Everything that differs between two states, as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.compare import chart, results, revisions
from pipeline.compare.results import NONE, Change
from pipeline.compare.state import State
from pipeline.settings import places
from pipeline.settings.wording import short
from pipeline.values.errors import UserError

LONGEST = 60  # characters of a value in a table


@dataclass(frozen=True)
class Changed:
    """Something that has one value before and another one after; NONE where it is not there."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Compared:
    """An experiment whose results differ. seeds: the number of replicates that both have. drawn: its tickets, for Markdown."""

    name: str
    seeds: int
    changes: list[Change]
    drawn: str


@dataclass(frozen=True)
class Comparison:
    """unchanged: how many experiments have the same results. notes: what could not be compared, or may not be
    what it seems.
    """

    before: State
    after: State
    settings: list[Changed]
    code: list[str]
    experiments: list[Compared]
    verdicts: list[Changed]
    unchanged: int
    notes: list[str]


def compare(before: State, after: State) -> Comparison:
    """Raises: UserError when a revision cannot be read. Tables that cannot be read are among the notes."""
    if before.commit is None:
        raise ValueError("only the second state may be the working tree")
    notes: list[str] = []
    compared, unchanged = [], []
    for name in sorted({*before.results(), *after.results()}):
        try:
            found = _experiment(before, after, name)
        except UserError as error:
            notes.append(f"{name}: {error}")
            continue
        if found is None:
            unchanged.append(name)
        else:
            compared.append(found)
    notes += [_stale(name) for name in unchanged if before.experiments.get(name) != after.experiments.get(name)]
    try:
        verdicts = list(_differences("", before.verdicts(), after.verdicts()))
    except UserError as error:
        verdicts = []
        notes.append(str(error))
    return Comparison(
        before,
        after,
        list(_differences("", before.settings, after.settings)),
        revisions.changed_code(before.commit, after.commit),
        compared,
        verdicts,
        len(unchanged),
        notes,
    )


def _experiment(before: State, after: State, name: str) -> Compared | None:
    """None when the results are the same. Raises: UserError when they cannot be compared."""
    for state, other in ((before, after), (after, before)):
        if name not in state.results():
            more = "" if state.commit else f"; `dvc repro {places.chain(name)}` makes those of the {state.name}"
            raise UserError(f"only {other.name} has results of it{more}")
    if before.rounds(name) == after.rounds(name) and before.margin == after.margin:
        return None
    both = before.outcome(name), after.outcome(name)
    changes = results.changes(*both)
    return Compared(name, results.seeds(*both), changes, chart.drawing(*both))


def _stale(name: str) -> str:
    return (
        f"{name}: its settings differ and its results do not; unless you know that the change has no effect on them, run "
        f"`dvc repro {places.chain(name)}`"
    )


def _differences(key: str, before: object, after: object) -> Iterator[Changed]:
    """The keys at which two trees differ. What is only in one of them is one difference, however much is in it."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            inner = f"{key}.{name}" if key else str(name)
            if name not in before or name not in after:
                was, is_now = (_text(tree[name]) if name in tree else NONE for tree in (before, after))
                yield Changed(inner, was, is_now)
            else:
                yield from _differences(inner, before[name], after[name])
    elif before != after:
        yield Changed(key, _text(before), _text(after))


def _text(value: Any) -> str:
    return short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LONGEST)
