"""Damaged files, and forged ones: other values with a checksum that was computed anew, as a hostile program would write them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files import store

Draw = random.Random
DEEP = (200, 900, 5_000, 100_000)
JUNK: list[Callable[[Draw], Any]] = [
    lambda draw: None,
    lambda draw: draw.choice(["", "x", "\ud800", "a\nb", "../../etc/passwd", "é" * 3, "0" * 3000]),
    lambda draw: draw.choice([-1, 0, 1, 2**31, 2**63, 2**64, 10**30, -(10**400)]),
    lambda draw: draw.choice([0.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), -float("inf")]),
    lambda draw: draw.choice([True, False, [], {}, [[]], {"": {}}, [1, "a", None]]),
    lambda draw: [draw.random()] * draw.choice([1, 70, 2000]),
]


def damaged(content: bytes, other: bytes, draw: Draw) -> tuple[str, bytes]:
    """What was done, and the result. other: another file of the same kind."""
    at = draw.randrange(len(content))
    size = min(draw.choice([1, 2, 7, 64, 300]), len(content) - at)
    piece = draw.randbytes(size)
    names: dict[str, Callable[[], bytes]] = {
        "bits flipped": lambda: _flipped(content, draw.choice([1, 1, 1, 2, 8]), draw),
        "cut short": lambda: content[:at],
        "beginning lost": lambda: content[at + 1 :],
        "bytes inserted": lambda: content[:at] + piece + content[at:],
        "bytes lost": lambda: content[:at] + content[at + size :],
        "a block of zeros": lambda: content[:at] + bytes(size) + content[at + size :],
        "a block of something else": lambda: content[:at] + piece + content[at + size :],
        "a block twice": lambda: content[: at + size] + content[at:],
        "bytes appended": lambda: content + piece,
        "the beginning of another file": lambda: other[:at] + content[at:],
        "the end of another file": lambda: content[:at] + other[at:],
        "lines in another order": lambda: b"\n".join(draw.sample(lines := content.split(b"\n"), len(lines))),
        "the header of another file": lambda: _parts(other)[0] + _parts(content)[1],
        "a header that was edited": lambda: _edited_header(content, draw),
    }
    what = draw.choice([*names])
    return what, names[what]()


def _flipped(content: bytes, count: int, draw: Draw) -> bytes:
    found = bytearray(content)
    for _ in range(count):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """The header and the rest; of a text, its first line."""
    size = int.from_bytes(content[:8], "little")
    if 8 + size <= len(content):
        return content[: 8 + size], content[8 + size :]
    line, _, rest = content.partition(b"\n")
    return line + b"\n", rest


def _edited_header(content: bytes, draw: Draw) -> bytes:
    """That of an array file, as JSON with another shape, type, place or name, also twice the same name or deep brackets."""
    head, rest = _parts(content)
    try:
        header = json.loads(head[8:])
    except ValueError:
        return _flipped(content, 3, draw)
    names = [name for name in header if name != "__metadata__"]
    name, key = draw.choice(names), draw.choice(["shape", "dtype", "data_offsets", "name", "twice", "deep", "junk", "metadata"])
    text = ""
    match key:
        case "shape":
            header[name]["shape"] = draw.choice(
                [[], [0], [-1], [2**62, 4], [10**6] * 9, [1] * 70, [0, 2**64], header[name]["shape"][::-1]]
            )
        case "dtype":
            header[name]["dtype"] = draw.choice(["F8_E4M3", "F8_E5M2", "BF16", "F16", "F64", "I8", "BOOL", "X9", "", "C64"])
        case "data_offsets":
            header[name]["data_offsets"] = draw.choice(
                [[0, 0], [-4, 4], [8, 4], [0, 2**63], [2**64, 2**65], [0], header[names[0]]["data_offsets"]]
            )
        case "name":
            header[draw.choice([*names, "", "x" * 5000, "__metadata__"])] = header.pop(name)
        case "twice":
            text = json.dumps(header)[:-1] + f", {json.dumps(name)}: {json.dumps(header[draw.choice(names)])}}}"
        case "deep":
            depth = draw.choice(DEEP)
            text = json.dumps(header)[:-1] + f', "deep": {"[" * depth}{"]" * depth}}}'
        case "junk":
            header[name] = draw.choice(JUNK)(draw)
        case "metadata":
            about = draw.choice(['"x"', "[" * 100_000, '{"checksum": ' + "[" * 900 + "]" * 900 + "}", "9" * 5000, "null", "{}"])
            header["__metadata__"] = draw.choice([{"about": about}, {}, [], {"about": 3}, {"about": about * 2}])
    encoded = (text or json.dumps(header)).encode(errors="surrogatepass")
    return len(encoded).to_bytes(8, "little") + encoded + rest


def forged(path: Path, draw: Draw) -> str:
    """Writes other values to a file, with a checksum that is right. Returns: what was done."""
    match path.suffix:
        case ".safetensors":
            return _forged_arrays(path, draw)
        case ".json":
            found = store.read_json(path)
            what = _changed(found, draw)
            text = json.dumps(found)
            content = json.dumps({**found, store.CHECKSUM: store._checksum(text)})  # the reader accepts more than `write_json`
            path.write_bytes(content.encode())
            return what
    lines = store.read_table(path).splitlines()
    what = _changed_table(lines, draw)
    store.write_table(path, "\n".join(lines) + "\n")
    return what


def _forged_arrays(path: Path, draw: Draw) -> str:
    arrays, about = store._read(path)
    name, what = draw.choice([*arrays]), draw.choice(["values", "shape", "type", "gone", "more", "about", "emptied", "reordered"])
    array = arrays[name]
    match what:
        case "values":
            value = draw.choice([np.nan, np.inf, -1e38, 0, 255])
            with np.errstate(all="ignore"):
                arrays[name] = np.full_like(array, np.array(value).astype(array.dtype))
        case "shape":
            arrays[name] = draw.choice([array.reshape(-1), array[None], array.T, array.reshape(-1)[1:], np.resize(array, (3, 2))])
        case "type":
            with np.errstate(all="ignore"):
                arrays[name] = array.astype(draw.choice(["f2", "f4", "f8", "i1", "i8", "u8", "?", "u2"]))
        case "gone":
            del arrays[name]
        case "more":
            arrays[draw.choice(["x", "", "kept.0.x", "optimizer.x", "history", "iteration", "self"])] = np.ones(2, np.float32)
        case "about":
            _changed(about, draw)
            if draw.random() < 0.7 and isinstance(about.get("shapes"), dict) and about["shapes"]:
                shapes = [
                    [0, 10**19],
                    [1] * 70,
                    [2**31, 2**31],
                    [-1],
                    [True],
                    [],
                    [0],
                    "3",
                    [2.0],
                    [10**5, 10**6],
                    [10**30],
                    None,
                ]
                about["shapes"][draw.choice([*about["shapes"]])] = draw.choice(shapes)
        case "emptied":
            arrays[name] = array.reshape(-1)[:0]
        case "reordered":
            arrays[name] = np.array(draw.sample(array.reshape(-1).tolist(), array.size), array.dtype).reshape(array.shape)
    about.pop(store.CHECKSUM, None)
    store.write_arrays(path, arrays, about)
    return f"{what} of {name}"


def _changed(value: dict[str, Any], draw: Draw) -> str:
    """Changes something anywhere in a JSON object."""
    inside: Any = value
    while True:
        if not inside:
            return "nothing"
        key = draw.choice([*inside]) if isinstance(inside, dict) else draw.randrange(len(inside))
        if not isinstance(inside[key], dict | list) or not inside[key] or draw.random() < 0.3:
            break
        inside = inside[key]
    what = draw.choice(["junk", "junk", "junk", "gone", "more", "deep"])
    match what:
        case "gone":
            del inside[key]
        case "more" if isinstance(inside, dict):
            inside[draw.choice(["x", "", "draw", "name"])] = draw.choice(JUNK)(draw)
        case "deep":
            for _ in range(draw.choice([50, 400, 800])):
                inside[key] = [inside[key]]
        case _:
            inside[key] = draw.choice(JUNK)(draw)
    return f"{what} at {key!r}"


def _changed_table(lines: list[str], draw: Draw) -> str:
    """Changes the lines of a table; cells have no commas in them."""
    what = draw.choice(["cell", "cell", "cell", "column", "rows", "header only", "more cells", "quote", "twice", "name", "empty"])
    rows = [line.split(",") for line in lines]
    row, column = draw.randrange(len(rows)), draw.randrange(len(rows[0]))
    junk = draw.choice(
        ["", "x", "nan", "inf", "-1", "1e999", "9" * 400, "0", "0.5", "\0", '"', "2**3", "True", "9" * 25, "é", "-0", "1_0"]
    )
    match what:
        case "cell":
            rows[row][column] = junk
        case "column":
            rows = [cells[:column] + cells[column + 1 :] for cells in rows]
        case "rows":
            rows = rows[:1] + draw.sample(rows[1:], draw.randrange(len(rows)))
        case "header only":
            rows = rows[:1]
        case "more cells":
            rows[row] += [junk] * draw.choice([1, 1, 30])
        case "quote":
            rows[row][column] = '"' + rows[row][column]
        case "twice":
            rows = [[*cells, cells[column]] for cells in rows]
        case "name":
            rows[0][column] = junk
        case "empty":
            rows = [[]]
    lines[:] = [",".join(cells) for cells in rows]
    return f"{what} in row {row}, column {column}"
