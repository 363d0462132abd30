"""The one exception whose message is meant for the user: a sentence that says what is wrong, where, and what would be right."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """It is shown without a traceback, and the process then ends with exit code 1."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Runs the code of a plug-in, which may raise anything or end the process. Raises: UserError that begins with `what`."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What the code of a plug-in raised, in one line: kind, message, and the innermost line of the user's own code."""
    frames = (frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename))
    places = [f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in frames][-1:]
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":") + "".join(places)


def _is_users(file: str) -> bool:
    """Whether a file is part neither of Python, nor of an installed package, nor of this pipeline."""
    root = Path(__file__).parents[2]
    others = [root / "pipeline", root / "stages", *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))]
    return not file.startswith("<") and not any(Path(file).is_relative_to(other) for other in others)


def type_of(thing: object) -> str:
    """The kind of a value that should have been another: `a dict`, `an int`, `None`."""
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
