"""Changes of good settings: values of other types and sizes, other plug-ins, keys that are missing, twice or elsewhere."""

import copy
from collections.abc import Callable
from random import Random
from typing import Any, cast

from pipeline.values import plugins

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
