"""Files of settings as a hostile or a tired person may write them, drawn from a seed."""

import copy
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from ruamel.yaml import YAML

from pipeline.values import plugins
from tests import lottery

MODULES = {  # of a package beside the repository, which dotted names of plug-ins import
    "syntax": "def thing(:",
    "raises": "raise RuntimeError('no' * 100_000)",
    "exits": "import sys\nsys.exit(0)",
    "leaves": "import os\nos._exit(0)",
    "generator": "raise GeneratorExit",
    "recursion": "def thing():\n    return thing()\nthing()",
    "null": "a\0b",
    "fine": "def thing(**options):\n    return options\n",
    "late": "import os\ndef thing(**options):\n    os._exit(0)\n",
}
PLUGINS = [
    *(f"hostile.{module}:thing" for module in MODULES), "builtins:dict", "builtins:print", "no_such_package:thing", "..:x",
    "../../etc/passwd", "lenet; rm -rf /", "$(id)", "os.path:join", "this:s", "class.def:x", "pipeline.models.lenet:lenet",
    "pipeline.models._torchvision:x", "__main__:x", "torchvision:resnet18", "torchvision:nothing", "r03", "a_r01", "x" * 120,
]  # fmt: skip
KINDS = {
    "data": "data", "model": "models", "init": "inits", "task": "tasks", "criterion": "criteria", "structure": "structures",
    "name": "arms", "masks": "arms",
}  # fmt: skip
NUMBERS = [0, 1, 2, 3, 7, 8, 20, -1, 0.5, 1e-300, 1e308, 1000, 1001, 10**5, 10**9, 2**31, 2**63, 2**64, 10**18, 10**400, 0.1, 1.0]
TEXTS = [
    "", " ", "x", "all", "0it", "5it", "1ep", "9" * 4000 + "it", "-1it", "cosine", "../..", "/etc/passwd", "a b", "null", "yes",
    "\u0663it", "\U0001f600", "a\nb", "\x1b[31m", "${experiments}", "{{x}}", "`id`", "'", '"', "x" * 3000, "é" * 300, "global",
    "erk", "layer", "bf16", "tf32", "channels_last", "toy", "other", "dense",
]  # fmt: skip


class Raw(str):
    """YAML that is written as it is."""


RAWS = [
    Raw(text)
    for text in (
        "!!float 'y'", "!!bool maybe", "!!int ''", "!!binary '@'", "!!set {a, b}", "!!omap [fc: 0.4]", "!!python/none ~",
        "!!timestamp x", "2001-99-99", "2001-09-09", "&x [*x]", "&x {a: *x}", "*nowhere", "9" * 5000, ".nan", ".inf", "-.inf",
        "1e400", "0x1F", "0o17", "1_000", "1:30", "~", "{? [a] : b}", "{? {a: b} : c}", "{1: 2}", "{~: 2}", "{<<: 3}",
        "[" * 60 + "]" * 60, "[" * 3000 + "]" * 3000, "{a: " * 200 + "1" + "}" * 200, "!tag x", "| x", "'", '"\\ud800"', "=",
        "[" + ", ".join(map(str, range(1500))) + "]", "[" + ", ".join(map(str, range(900))) + "]", "*toy", "{<<: *toy}",
        "[&a [1, 1, 1, 1, 1, 1, 1], &b [*a, *a, *a, *a, *a, *a], &c [*b, *b, *b, *b, *b, *b], &d [*c, *c, *c, *c, *c], *d, *d]",
    )
]  # fmt: skip


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


def _good(draw: Random) -> dict[str, Any]:
    chosen = draw.sample([*GOOD], draw.choice([1, 1, 2]))
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


# --- Changes of the structure


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values except the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in [(*place, key), *_places(inner, (*place, key))]]


def _at(content: Any, place: tuple[Any, ...]) -> Any:
    for part in place:
        content = content[part]
    return content


def _somewhere(draw: Random, content: Any) -> tuple[Any, Any]:
    """A list or mapping and one of its keys; deep places are as likely as the others."""
    place = draw.choice(_places(content) or [("report",)])
    return _at(content, place[:-1]), place[-1]


def _value(draw: Random) -> Any:
    kind = draw.randrange(9)
    if kind < 3:
        return draw.choice(NUMBERS)
    if kind < 5:
        return draw.choice(TEXTS)
    if kind < 7:
        return draw.choice(RAWS)
    return draw.choice([None, True, False, [], {}, [1, 1], ["x"], {"name": draw.choice(PLUGINS)}, [[1]], {"": 1}])


def replaced(draw: Random, content: Any) -> None:
    inside, key = _somewhere(draw, content)
    inside[key] = _value(draw)


def number(draw: Random, content: Any) -> None:
    """Of another size, where there is a number."""
    places = [p for p in _places(content) if isinstance(_at(content, p), int | float)]
    if places:
        place = draw.choice(places)
        near = [_at(content, place) * factor for factor in (-1, 0.5, 2, 3, 10, 1000)] + [_at(content, place) + 1]
        _at(content, place[:-1])[place[-1]] = draw.choice([*NUMBERS, *near, *near])


def _plugin(draw: Random, kind: str) -> str:
    """The name of a plug-in, which is most often one of that kind."""
    known = plugins.names(cast(plugins.Kind, kind if draw.random() < 0.8 else draw.choice(plugins.KINDS)))
    return draw.choice(known) if draw.random() < 0.7 else draw.choice(PLUGINS)


def plugin(draw: Random, content: Any) -> None:
    """Another plug-in where there is one, perhaps with an option."""
    places = [p for p in _places(content) if p[-1] in KINDS and (p[-1] != "name" or p[-3:-2] == ("arms",))]
    if places:
        place = draw.choice(places)
        chosen = _plugin(draw, KINDS[place[-1]])
        inside, old = _at(content, place[:-1]), _at(content, place)
        if isinstance(old, dict) and draw.random() < 0.5:
            old["name"] = chosen
        else:
            option = draw.choice(["count", "m", "hidden", "depth", "width", "label_smoothing", "unit", "context", "x"])
            more = {option: _value(draw)} if draw.random() < 0.5 else {}
            kept = {"validation": 30} if place[-1] == "data" else {}
            inside[place[-1]] = chosen if isinstance(old, str) and not more else {"name": chosen, **kept, **more}


def arm(draw: Random, content: Any) -> None:
    """Another arm with an option, of any name."""
    plug = _plugin(draw, "arms")
    name = draw.choice([plug, plug, "a", "b", "dense", "../a", "A"])
    option = draw.choice(["masks", "criterion", "structure", "scope", "steps", "draws", "sigma", "masks_from", "weights"])
    found = content.get("experiments")
    for experiment in found.values() if isinstance(found, dict) else ():
        if isinstance(experiment, dict) and isinstance(experiment.get("arms"), dict):
            chosen = {"rounds": draw.choice(["all", 1, 0, [1], [1], [1, 2], [2, 1], 1000, _value(draw)])}
            if name != plug:
                chosen["name"] = plug
            if draw.random() < 0.6:
                chosen[option] = draw.choice([_value(draw), _plugin(draw, KINDS.get(option, "arms")), 1, 2, "toy", "global"])
            experiment["arms"][name] = chosen


def removed(draw: Random, content: Any) -> None:
    inside, key = _somewhere(draw, content)
    del inside[key]


def renamed(draw: Random, content: Any) -> None:
    inside, key = _somewhere(draw, content)
    if isinstance(inside, dict):
        other = draw.choice(
            [f"{key}s", str(key).upper(), draw.choice(TEXTS), draw.choice(["data", "figures", "dvc", "main", "toy", "r00"])]
        )
        inside[other] = inside.pop(key)


def added(draw: Random, content: Any) -> None:
    inside, key = _somewhere(draw, content)
    if isinstance(inside, dict):
        inside[
            draw.choice(["name", "x", "labels", "options", "rounds", "draws", "hidden", "width", "depth", draw.choice(TEXTS)])
        ] = _value(draw)
    else:
        inside.append(_value(draw))


def moved(draw: Random, content: Any) -> None:
    (one, first), (two, second) = _somewhere(draw, content), _somewhere(draw, content)
    one[first] = copy.deepcopy(two[second])


def wrapped(draw: Random, content: Any) -> None:
    inside, key = _somewhere(draw, content)
    for _ in range(draw.choice([1, 1, 2, 30, 100])):
        inside[key] = draw.choice([[inside[key]], {"name": inside[key]}])


def repeated(draw: Random, content: Any) -> None:
    """A key twice, or a value of a list many times."""
    inside, key = _somewhere(draw, content)
    if isinstance(inside, list):
        inside.extend([inside[key]] * draw.choice([1, 100, 2000]))
    else:
        inside[Raw(str(key) if str(key).isidentifier() else "twice")] = _value(draw)  # equal, but written again, below the first


CHANGES: list[Callable[[Random, Any], None]] = [
    replaced, replaced, number, number, plugin, arm, removed, renamed, added, moved, wrapped, repeated,
]  # fmt: skip


# --- As text


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
