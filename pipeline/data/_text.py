"""Texts as data sets: characters become tokens, parts are cut by place, and examples are windows of characters."""

from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.data._sources import SourceError
from pipeline.domain.bundle import Array, Bundle, Form

Text = TypeVar("Text", str, range)  # a text, or the places of its characters

SHARES = (0.90, 0.95)  # where the training part and the validation part of a text end; the test part is the rest


def bundle(text: str, characters: str, context: int, held_out: int | None) -> Bundle:
    """Windows of a text that do not overlap: the first 90% for training, the next 5% for validation and the last 5% for test.

    characters: token i is the i-th of them; they are those of the training part, in sorted order.
    context: the number of characters of a window. held_out: how many characters of the validation part, and of the test part,
    are used, from the part's beginning; None uses all of them.
    Shapes: inputs uint8 (N, context); targets uint8 (N, context), at each place the next character.
    Raises: ValueError when the training part has other characters, another part has a character that it has not, or a part is
    shorter than a window.
    """
    form(len(text), characters, context, held_out)  # checks the sizes
    train, validation, test = parts(text, held_out)
    if (found := "".join(sorted(set(train)))) != characters:
        raise ValueError(f"the training part of the text has the characters {found!r}, but should have {characters!r}")
    arrays = [_windows(encode(part, characters), context) for part in (train, validation, test)]
    (train_x, train_y), held, (test_x, test_y) = arrays
    return Bundle(train_x, train_y, test_x, test_y, *held)


def form(length: int, characters: str, context: int = 64, held_out: int | None = None) -> Form:
    """The form of such a data set of a text with so many characters. Raises: ValueError when a part is shorter than a window."""
    for name, value, least in (("context", context, 1), ("held_out", held_out, 2)):
        if name == "held_out" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} is {value!r}, but should be a whole number of at least {least}")
    train, validation, test = (len(part) for part in parts(range(length), held_out))
    sizes = {"training": train, "validation": validation, "test": test}
    for part, size in sizes.items():
        if size <= context:
            whose = "`held_out`" if part != "training" and size == held_out else f"the {part} part of the text"
            raise ValueError(
                f"context is {context} characters, but {whose} has {size}; a window needs one more character than its context"
            )
    windows = {part: (size - 1) // context for part, size in sizes.items()}
    return Form(
        train=windows["training"], test=windows["test"], shape=(context,), classes=len(characters), target=(context,),
        scaled=False, words=len(characters), own_validation=True,
    )  # fmt: skip


def parts(text: Text, held_out: int | None) -> tuple[Text, Text, Text]:
    """The training, validation and test part, which are disjoint because each begins where the one before it ends."""
    first, second = (round(share * len(text)) for share in SHARES)
    return text[:first], text[first:second][:held_out], text[second:][:held_out]


def encode(text: str, characters: str) -> Array:
    """The token of each character, uint8 (N,). Raises: ValueError that names the characters without a token."""
    unknown = sorted(set(text) - set(characters))
    if unknown:
        raise ValueError(f"the text has the characters {''.join(unknown)!r}, which are not among {characters!r}")
    tokens = {character: i for i, character in enumerate(characters)}
    return np.array([tokens[character] for character in text], np.uint8)


def decode(tokens: Array, characters: str) -> str:
    return "".join(characters[token] for token in tokens)


def read(path: Path) -> str:
    """A file of a package. Raises: SourceError when it is not there or no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} cannot be read ({error})") from error


def _windows(tokens: Array, context: int) -> tuple[Array, Array]:
    count = (len(tokens) - 1) // context
    inputs, targets = (tokens[start : start + count * context].reshape(count, context) for start in (0, 1))
    return inputs.copy(), targets.copy()
