"""Files of settings as a hostile or a tired person may write them, drawn from a seed."""

import copy
import io
import json
from dataclasses import dataclass
from random import Random
from typing import Any

from ruamel.yaml import YAML

from tests import lottery
from tests.torture.changes import CHANGES, Raw


@dataclass(frozen=True)
class Mutant:
    """files: the text of each file by its name, which need not be text."""

    files: dict[str, bytes]
    how: str


def mutant(draw: Random) -> Mutant:
    """Changes good settings in one to three places; or some bytes of them."""
    content, names = _good(draw), []
    if draw.random() < 0.25:
        names = ["bytes"]
        data = _bytes_changed(draw, _block(content).encode())
        return Mutant({"params.yaml": data}, "bytes")
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        change = draw.choice([*CHANGES])
        change(draw, content)
        names.append(change.__name__)
    files = {"params.yaml": content}
    more = content.get("experiments")
    if isinstance(more, dict) and len(more) > 1 and draw.random() < 0.3:
        name = draw.choice([*more])
        files["experiments/more.yaml"] = {"experiments": {name: more.pop(name)}}
    return Mutant({file: _flow(found).encode("utf-8", "surrogatepass") for file, found in files.items()}, "+".join(names))


def unchanged() -> Mutant:
    """All good experiments, without a change."""
    return Mutant({"params.yaml": _flow(lottery.params(**GOOD)).encode()}, "unchanged")


def _good(draw: Random) -> dict[str, Any]:
    names = [*GOOD] if draw.random() < 0.4 else QUICK
    chosen = draw.sample(names, draw.choice([1, 1, 2]))
    content = lottery.params(**{name: copy.deepcopy(GOOD[name]) for name in chosen})
    if draw.random() < 0.3:
        content["reports"] = {"more": [chosen[-1]]}
    return content


GOOD = {
    "toy": lottery.experiment(
        arms={
            "one_shot": {"rounds": [2, 3]},
            "reinit": {"rounds": [3], "draws": 2},
            "own": {"name": "one_shot", "criterion": {"name": "random"}, "steps": 2, "rounds": [1]},
            "noise": {"rounds": [3], "sigma": 0.5},
        }
    ),
    "other": lottery.experiment(
        optimizer={
            "name": "sgd", "lr": 0.1, "momentum": 0.9, "warmup": "2it", "decay": {"at": ["5it", "10it"], "by": 0.5},
            "weight_decay": 1e-4, "clip_grad_norm": 1.0,
        },
        task={"name": "classification", "label_smoothing": 0.1},
        pruning={
            "criterion": {"name": "snip", "count": 2}, "scope": "global", "structure": "weight",
            "rates": {"fc": 0.2, "output": 0.2}, "rounds": 2,
        },
        rewind="5it",
        arms={
            "lr_rewind": {"rounds": 2}, "other_order": {"rounds": [1]},
            "units": {"name": "ticket", "structure": "unit", "scope": "layer", "rounds": 0},
        },
    ),
    "images": lottery.experiment(
        data={"name": "digits", "validation": 30, "augment": {"crop": 1, "flip": True}},
        model={"name": "conv", "depth": 2, "dropout": 0.5},
        pruning={"criterion": "magnitude", "scope": "layer", "rates": {"conv": 0.2, "fc": 0.2, "output": 0.1}, "rounds": 1},
        arms={},
    ),
}  # fmt: skip
QUICK = ("toy", "other")  # to rehearse and to time the network for images takes three times as long as one of these


def _flow(value: Any) -> str:
    """In one line, so that anything can stand anywhere."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        plain = value.isidentifier() and value.isascii()
        return value if plain else '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value)


def _block(content: Any) -> str:
    stream = io.StringIO()
    YAML(typ="safe").dump(content, stream)
    return stream.getvalue()


def _bytes_changed(draw: Random, data: bytes) -> bytes:
    for _ in range(draw.choice([1, 1, 2, 5])):
        at, to = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + draw.choice([1, 3, 20, 200]))
        piece = draw.choice(
            [b"\0", b"\xff", b"\t", b"\n", b": ", b"- ", b"&a ", b"*a", b"!!", b"? ", b"[", b"{", b"}", b"'", b"#", b"%"]
        )
        data = draw.choice(
            [
                data[:at] + piece + data[at:],
                data[:at] + data[to:],
                data[:at] + data[at:to] * draw.choice([2, 2, 300]) + data[to:],
                data[:at] + bytes(b ^ (1 << draw.randrange(8)) for b in data[at : at + 1]) + data[at + 1 :],
                data[:at] + piece + data[to:],
                data[:at],
            ]
        ) or b" "  # fmt: skip
    return data
