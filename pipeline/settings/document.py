"""Reads a YAML file that a user has edited. It ends with a sentence where a parser would end in a crash, a traceback or never.

Differs: what JSON has no words for (dates, sets, keys that are not text) is refused, because settings are validated as JSON.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, MappingStartEvent, NodeEvent

from pipeline.settings.wording import short
from pipeline.values.errors import UserError

# All are far above what a file of settings has. Without them, a list takes validation a time that grows with its square, deep
# brackets overflow the stack of the parser, and nine lines of aliases fill the memory.
MOST_BYTES = 500_000
MOST_TOGETHER = 1000  # entries of one list or mapping
MOST_DEPTH = 50
LONGEST_INTEGER = 1000  # bits
MOST_VALUES = 20_000  # in a file, where an alias counts as all that it stands for


def read(path: Path) -> Any:
    """The content, as JSON can express it. Raises: UserError in one sentence when that is not possible."""
    reader = YAML(typ="safe")  # YAML 1.2 as DVC reads it: 1e-3 is a number, not the string that PyYAML makes of it
    reader.Constructor = _Constructor
    return _parsed(path, reader)


def read_with_lines(path: Path) -> Any:
    """The content in ruamel's own types, which know their lines. Raises: UserError in one sentence when it is not YAML."""
    return _parsed(path, YAML(typ="rt"))


def _parsed(path: Path, reader: YAML) -> Any:
    text = _text(path)
    try:
        _check_sizes(path, text)
        return reader.load(text)
    except UserError:
        raise
    except Exception as error:  # the parser raises many kinds besides its own, for values that don't fit their tags
        said = " ".join(str(error).split()).replace('in "<unicode string>", ', "in ").replace("tag:yaml.org,2002:", "!!")
        raise UserError(f"{path} is not valid YAML: {short(said, 300)}") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this in the root of the repository") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; should be a file of settings") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} has more than {MOST_BYTES:,} bytes, but should be a file of settings, which has fewer")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid YAML: byte {error.start} is not UTF-8, {error.reason}") from None


@dataclass
class _Open:
    """A list or mapping of which the end has not been read yet. size: of all that is in it, at every depth."""

    anchor: str | None
    is_mapping: bool
    entries: int = 0
    size: int = 1


def _check_sizes(path: Path, text: str) -> None:
    """Follows the events of the parser, which expand no alias and need no stack.

    Raises: UserError when to read the file would take too much time or memory.
    """
    sizes: dict[str | None, int] = {}  # of what an anchor names
    around = [_Open(None, False)]
    for event in YAML(typ="safe").parse(text):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, CollectionEndEvent):
            done = around.pop()
            sizes[done.anchor] = done.size
            around[-1].size += done.size
        elif isinstance(event, CollectionStartEvent):
            around[-1].entries += 1
            around.append(_Open(event.anchor, isinstance(event, MappingStartEvent)))
        elif isinstance(event, NodeEvent):
            if isinstance(event, AliasEvent) and any(event.anchor == each.anchor for each in around):
                raise UserError(f"{where}: the alias *{short(event.anchor)} stands for what contains it, but should not")
            size = sizes.get(event.anchor, 1) if isinstance(event, AliasEvent) else 1
            sizes[event.anchor] = size
            around[-1].entries += 1
            around[-1].size += size
        inner = around[-1]
        if len(around) > MOST_DEPTH:
            raise UserError(f"{where}: lists and mappings are nested more than {MOST_DEPTH} times, but should be nested less")
        if inner.entries > MOST_TOGETHER * (2 if inner.is_mapping else 1):
            raise UserError(f"{where}: the list or mapping has more than {MOST_TOGETHER:,} entries, but should have fewer")
        if sum(each.size for each in around) > MOST_VALUES:
            raise UserError(f"{where}: the file has more than {MOST_VALUES:,} values, aliases included, but should have fewer")


class _Constructor(SafeConstructor):
    """Names the line of a value that does not fit its tag, and refuses what JSON has no words for."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (YAMLError, RecursionError):
            raise
        except Exception as error:
            what = f"{short(str(node.value))!r} cannot be read as {short(node.tag)} ({short(str(error))})"
            raise ConstructorError(None, None, what, node.start_mark) from None
        if not isinstance(value, str | int | float | dict | list | None):
            what = f"{short(node.tag)} is not text, a number, a list or a mapping; text that looks like it should be in quotes"
            raise ConstructorError(None, None, what, node.start_mark)
        if isinstance(value, int) and value.bit_length() > LONGEST_INTEGER:  # Python does not write it out
            raise ConstructorError(None, None, f"{short(str(node.value))} is too long for a number", node.start_mark)
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        found = super().construct_mapping(node, deep)
        for key in found:
            if not isinstance(key, str):
                what = f"the key {short(str(key))} should be text; a number should be in quotes"
                raise ConstructorError(None, None, what, node.start_mark)
        return found
