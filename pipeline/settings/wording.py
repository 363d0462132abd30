"""Messages that stay readable whatever a file of settings contains: short, in one line, and without control characters."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.values.errors import UserError

MOST = 600  # characters of the message about one fault
MOST_FAULTS = 20  # of which each has a line


def short(text: str, most: int = 100) -> str:
    """The text with its middle left out if it is long, and with its control characters as escapes."""
    start, end = most * 2 // 3, most // 3
    text = text if len(text) <= most else f"{text[:start]} … {text[-end:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def lines(faults: list[str]) -> str:
    """A line for each fault, of which there are at least one."""
    more = len(faults) - MOST_FAULTS
    return "\n".join([short(fault, MOST) for fault in faults[:MOST_FAULTS]] + ([f"and {more:,} more"] if more > 0 else []))


@contextmanager
def readable(before: str = "") -> Iterator[None]:
    """Makes an error's message a single readable line, and puts `before` before it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{before}{short(' '.join(str(error).split()), MOST)}") from error
