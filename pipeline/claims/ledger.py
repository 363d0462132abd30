"""Reads claims.yaml. The messages about its faults name their lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.claims.claim import Claim, Ledger, Question
from pipeline.settings import document, places
from pipeline.settings.config import Config
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE
from pipeline.values.section import Section

Place = tuple[int | str, ...]


def read(config: Config, path: Path = places.CLAIMS) -> Ledger:
    """Raises: UserError with a message for each fault: the file, its line, the key, what was given and what would be right."""
    content = document.read_with_lines(path)
    try:
        # JSON is used because strict validation of it still lets an array become a tuple.
        text = json.dumps(content, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path} has a key that is no text, or an alias of what it stands in: {error}") from None
    try:
        ledger = Ledger.model_validate_json(text)
    except ValidationError as error:
        raise _refused(path, content, [(e["loc"], _explained(e)) for e in error.errors()]) from None
    faults = [*_repeated(ledger), *_unknown(ledger, config)]
    if faults:
        raise _refused(path, content, faults)
    return ledger


def _refused(path: Path, content: Any, faults: list[tuple[Place, str]]) -> UserError:
    return UserError("\n".join(f"{path}, line {_line(content, place)}: {_key(content, place)}{text}" for place, text in faults))


def _line(content: Any, place: Place) -> int:
    """The line, counted from 1, of the innermost part of the file on the way to a place."""
    line = 0
    for part in place:
        if not hasattr(content, "lc"):
            break
        try:
            line = (content.lc.item(part) if isinstance(part, int) else content.lc.key(part))[0]
            content = content[part]
        except (KeyError, IndexError, TypeError):
            break
    return line + 1


def _key(content: Any, place: Place) -> str:
    """The key as a reader would write it, in which a claim has its id instead of its number."""
    parts: list[str] = []
    for part in place:
        content = _inside(content, part)
        name = content.get("id") if isinstance(part, int) and isinstance(content, Mapping) else None
        parts.append(str(name or part))
    return ".".join(parts) + " " if parts else ""


def _inside(content: Any, part: int | str) -> Any:
    try:
        return content[part]
    except (KeyError, IndexError, TypeError):
        return None


def _explained(error: Mapping[str, Any]) -> str:
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    message = message[0].lower() + message[1:]
    place = error["loc"]
    sections: dict[str, type[Section]] = {"claims": Claim, "discussion": Question}
    section = sections.get(str(place[0]), Ledger) if len(place) > 1 else Ledger
    match error["type"]:
        case "extra_forbidden":
            return f"is an unknown key; the keys there are {', '.join(section.model_fields)}"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            message = "should contain only lower-case letters, digits and underscores, and begin with a letter"
    given = error["input"]
    if isinstance(given, Mapping):
        return f"is not valid: {message}"
    return f"is {json.dumps(given, default=str)}{', but' if message.startswith('should be') else ':'} {message}"


def _repeated(ledger: Ledger) -> Iterator[tuple[Place, str]]:
    ids: dict[str, int] = {}
    for i, claim in enumerate(ledger.claims):
        if claim.id in ids:
            yield ("claims", i, "id"), f"is {claim.id!r}, but should differ from the id of every other claim"
        ids[claim.id] = i
    for i, question in enumerate(ledger.discussion):
        for j, name in enumerate(question.claims):
            if name not in ids:
                yield ("discussion", i, "claims", j), f"is {name!r}, but should be the id of a claim"


def _unknown(ledger: Ledger, config: Config) -> Iterator[tuple[Place, str]]:
    for i, claim in enumerate(ledger.claims):
        named: list[tuple[Place, str]] = [(("experiments", j), name) for j, name in enumerate(claim.experiments)]
        named += [(("against_experiment", name), other) for name, other in claim.against_experiment.items()]
        wrong = [(place, name) for place, name in named if name not in config.experiments]
        for place, name in wrong:
            yield (
                ("claims", i, *place),
                f"is {name!r}, but should be an experiment, one of {', '.join(sorted(config.experiments))}",
            )
        for name in claim.experiments if not wrong else ():
            yield from _unknown_arms(config, claim, i, name)


def _unknown_arms(config: Config, claim: Claim, i: int, name: str) -> Iterator[tuple[Place, str]]:
    sides = [("arm", claim.arm, name)]
    if isinstance(claim.against, str):
        sides.append(("against", claim.against, claim.against_experiment.get(name, name)))
    for key, arm, experiment in sides:
        arms = [DENSE, *config.experiment(experiment).all_arms]
        if arm not in arms:
            yield (
                ("claims", i, key),
                f"is {arm!r}, but should be an arm of {experiment}, which has only the arms {', '.join(arms)}",
            )
