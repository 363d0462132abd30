"""The DVC file of one experiment: the dense network, then for each arm the stages that make its rounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.dag import command, watched
from pipeline.domain.arms import Arm
from pipeline.domain.lottery import Lottery
from pipeline.run.bound import Bound
from pipeline.settings import borrowing, measured, places
from pipeline.stability import pairs
from pipeline.values import paths
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item
from pipeline.values.plugins import Source

# The sections of an experiment that each kind of stage reads: a change of another section does not affect the stage.
PRUNING = ["pruning.criterion", "pruning.scope", "pruning.structure", "pruning.rates"]
TRAINING = ["data", "task", "model", "optimizer", "training", "rewind", "seeds"]
AGGREGATED = ["pruning.rounds", "arms", "seeds"]
EXAMINED = ["pruning.scope", "pruning.rates", *AGGREGATED]
WITH_NETWORK = {
    "module",
    "start_module",
    "loss",
    "batch",
    "batches",
    "gradient",
}  # a criterion that asks for one of these needs the data and the network
# How `dvc plots` shows a table of rounds. The figures of an experiment are no plots of DVC: they would be shown twice, as SVG and
# as PNG, and beside those of all other experiments.
PLOT = {"template": "rounds", "x": "density", "y": "early_stop_iteration"}  # .dvc/plots/rounds.json also draws the metric
PROBE = Path("pipeline/scoring/probe.py")  # makes them
SETUP = Path("pipeline/run/setup.py")  # makes what a structure may ask for


def stages(bound: Bound) -> dict[str, Any]:
    """The content of the file. Every arm's rounds are one template over the items that they are made from."""
    name, lottery = bound.name, bound.lottery
    rounds = {arm: _rounds(bound, arm) for arm in lottery.arms}
    found = {"train_dense": _train_dense(bound)}
    for arm in lottery.arms:
        found |= _arm(bound, arm)
    every = lottery.items()
    found["aggregate"] = _stage("aggregate", name, [paths.lanes(name, item.name) for item in every], _code("aggregate"))
    found["aggregate"] |= {"params": ["margin", *_params(bound, AGGREGATED)]} | _outs(places.curves(name))
    found["aggregate"]["plots"] = [in_git(places.rounds(name), **PLOT, title=name)]
    found["aggregate"]["metrics"] = [in_git(places.metrics(name))]
    drawn_from = [places.curves(name), places.rounds(name)]
    if measured.is_examined(bound.experiment):
        found["examine"] = _examine(bound)
        drawn_from += measured.examined(name, bound.experiment)
    if measured.is_trained_twice(bound.experiment):
        found["stability"] = _stability(bound)
    found["plot"] = _stage("plot", name, drawn_from, _code("plot"))
    found["plot"] |= {"params": ["figures"], "outs": [in_git(places.figures(name))]}
    return {"vars": [{"arms": rounds}] if rounds else [], "stages": found}


def params(experiment: Experiment, keys: Sequence[str]) -> list[Any]:
    """Keys of an experiment as a stage lists them: keys of params.yaml alone, keys of other files under the name of the file."""
    return [*keys] if experiment.file == paths.PARAMS else [{experiment.file.as_posix(): [*keys]}]


def in_git(path: Path, **plot: str) -> dict[str, Any]:
    """An output that is kept in git instead of DVC's cache. DVC would delete it before its stage runs, also if that refuses the
    settings, and git would then show it as deleted.
    """
    return {path.as_posix(): {"cache": False, "persist": True, **plot}}


def _train_dense(bound: Bound) -> dict[str, Any]:
    name, dense = bound.name, bound.lottery.dense.name
    used = [*_network(bound.experiment), _init(bound.experiment)]
    stage = _stage("train_dense", name, [_data(bound)], _code("train_dense", used))
    stage["params"] = _params(bound, [*TRAINING, "init"])
    return stage | _outs(paths.layers(name), paths.masks(name, dense), paths.lanes(name, dense))


def _examine(bound: Bound) -> dict[str, Any]:
    """It reads the dense network and the arms that prune masks of their own."""
    name, lottery = bound.name, bound.lottery
    pruned = [item.name for item in lottery.items() if item.round and not lottery.is_control(item)]
    files = [path(name, item) for item in pruned for path in (paths.masks, paths.lanes)]
    deps = [paths.layers(name), paths.lanes(name, lottery.dense.name), *files]
    stage = _stage("examine", name, deps, _code("examine"))
    return stage | {"params": _params(bound, EXAMINED), "outs": _tables(places.profiles(name), places.examined(name))}


def _stability(bound: Bound) -> dict[str, Any]:
    """It evaluates the networks that are trained twice, between the ends of both trainings."""
    name, lottery = bound.name, bound.lottery
    lanes = dict.fromkeys(lane.item.name for pair in pairs.of(lottery) for lane in (pair.first, pair.second))
    masks = dict.fromkeys(lottery.masks_of(pair.first.item).name for pair in pairs.of(lottery))
    deps = [_data(bound), *(paths.masks(name, item) for item in masks), *(paths.lanes(name, item) for item in lanes)]
    stage = _stage("stability", name, deps, _code("stability", _network(bound.experiment)))
    return stage | {"params": _params(bound, [*TRAINING, "arms"]), "outs": _tables(places.lines(name), places.stability(name))}


def _rounds(bound: Bound, arm: str) -> dict[str, dict[str, str]]:
    """What each round of an arm is made from, by the round's name."""
    rounds = bound.experiment.rounds_of(arm)
    return {f"r{k:02d}": _made_from(bound.lottery, Item(bound.name, k, arm)) for k in rounds}


def _made_from(lottery: Lottery, item: Item) -> dict[str, str]:
    """from: the item that an item is pruned from. A control has instead masks: the item whose masks it takes, and trained: the
    one whose weights it goes on from, when it asks for such.
    """
    if not lottery.is_control(item):
        return {"from": lottery.pruned_from(item).name}
    masks = {"masks": lottery.masks_of(item).name}
    asks = "trained" in lottery.arms[item.arm].asks
    return masks | ({"trained": lottery.trained_before(item).name} if asks else {})


def _arm(bound: Bound, name: str) -> dict[str, Any]:
    arm = bound.lottery.arms[name]
    if arm.is_control:
        return {places.stage("control", name): _trained("control", bound, name, arm)}
    if source := borrowing.masks_from(bound.experiment, name):
        return {
            places.stage("borrow", name): _borrowed(bound, name, source),
            places.stage("retrain", name): _trained("retrain", bound, name, arm),
        }
    return {
        places.stage("prune", name): _pruned(bound, name, arm),
        places.stage("retrain", name): _trained("retrain", bound, name, arm),
    }


def _pruned(bound: Bound, name: str, arm: Arm) -> dict[str, Any]:
    experiment, criterion, dense = bound.name, bound.criteria[name], bound.lottery.dense.name
    deps = [paths.layers(experiment), paths.masks(experiment, "${item.from}"), paths.lanes(experiment, "${item.from}")]
    structure = bound.structures[name]
    used, scripts = [bound.lottery.plugins[name].source, criterion.source, structure.source], []
    sections = ["pruning.rates", "seeds"] if arm.scope else ["pruning.scope", "pruning.rates", "seeds"]
    if criterion.asks & {"initial", "rewound", "start_module"}:
        deps.append(paths.lanes(experiment, dense))
    if criterion.asks & WITH_NETWORK:
        deps.append(_data(bound))
        used += _network(bound.experiment)
        scripts, sections = [PROBE], ["data", "task", "model", "training", "rewind", *sections]
    elif structure.asks & {"module", "example"}:
        deps.append(_data(bound))
        used += _network(bound.experiment)
        scripts, sections = [SETUP], ["data", "task", "model", *sections]
    if arm.criterion is None:
        sections = ["pruning.criterion", *sections]
    if arm.structure is None:
        sections = ["pruning.structure", *sections]
    stage = _stage("prune", _argument(bound, name), _unique(deps), _code("prune", used, scripts))
    stage["params"] = _params(bound, [*sections, *_options(bound.experiment, name)])
    return {"foreach": f"${{arms.{name}}}", "do": stage | _outs(paths.masks(experiment, _item(name)))}


def _borrowed(bound: Bound, name: str, source: str) -> dict[str, Any]:
    """The masks of the ticket of the same round in another experiment."""
    mine = [paths.layers(bound.name), paths.lanes(bound.name, bound.lottery.dense.name)]
    theirs = [paths.layers(source), paths.lanes(source, bound.lottery.dense.name), paths.masks(source, "${key}")]
    stage = _stage("borrow", _argument(bound, name), [*mine, *theirs], _code("borrow"))
    stage["params"] = _params(bound, ["seeds", *_options(bound.experiment, name)])
    return {"foreach": f"${{arms.{name}}}", "do": stage | _outs(paths.masks(bound.name, _item(name)))}


def _trained(script: str, bound: Bound, name: str, arm: Arm) -> dict[str, Any]:
    experiment = bound.name
    masks = paths.masks(experiment, "${item.masks}" if arm.is_control else _item(name))
    # An arm begins with weights of the dense training, or with the trained weights from which its masks were pruned.
    deps = [_data(bound), masks]
    used, sections = [*_network(bound.experiment), bound.lottery.plugins[name].source], [*TRAINING, *PRUNING]
    if "trained" not in arm.asks or arm.asks & {"initial", "rewound"}:
        deps.append(paths.lanes(experiment, bound.lottery.dense.name))
    if "trained" in arm.asks:
        deps.append(paths.lanes(experiment, "${item.trained}" if arm.is_control else "${item.from}"))
    if "fresh" in arm.asks:
        used.append(_init(bound.experiment))
        sections.append("init")
    stage = _stage(script, _argument(bound, name), _unique(deps), _code(script, used))
    stage["params"] = _params(bound, [*sections, *_options(bound.experiment, name)])
    return {"foreach": f"${{arms.{name}}}", "do": stage | _outs(paths.lanes(experiment, _item(name)))}


def _item(arm: str) -> str:
    """The name of an arm's item in a template over its rounds."""
    return Item("", 0, arm).name.replace("r00", "${key}")


def _argument(bound: Bound, arm: str) -> str:
    return f"{bound.name}/{_item(arm)}"


def _data(bound: Bound) -> Path:
    return paths.data(bound.experiment.data.slug)


def _options(experiment: Experiment, arm: str) -> list[str]:
    """The keys of its own arm that a stage reads: neither another arm's draws nor another round may cause a new training."""
    return [f"arms.{arm}.{key}" for key in sorted(experiment.all_arms[arm].own_keys)] if arm in experiment.arms else []


def _params(bound: Bound, sections: Sequence[str]) -> list[Any]:
    """Those sections that the experiment has. A section that is left out has its default, and DVC would not find it."""
    there = [section for section in sections if _is_there(bound.experiment, section)]
    return params(bound.experiment, [f"experiments.{bound.name}.{section}" for section in there])


def _is_there(experiment: Experiment, section: str) -> bool:
    """Whether the settings state a section such as `init` or `pruning.structure`; deeper keys are there if it is."""
    found, there = section.split("."), experiment.model_fields_set
    return found[0] in there and (section != "pruning.structure" or "structure" in experiment.pruning.model_fields_set)


def _network(experiment: Experiment) -> list[Source]:
    """The sources of model and task. They are not loaded, which needs torch, because every stage checks its DVC file."""
    return [("models", experiment.model.name), ("tasks", experiment.task.name)]


def _init(experiment: Experiment) -> Source:
    return "inits", experiment.init.name


def _code(script: str, used: Sequence[Source] = (), more: Sequence[Path] = ()) -> list[str]:
    return watched.dependencies([Path("stages", f"{script}.py"), *more], used)


def _stage(script: str, argument: str, deps: Sequence[Path], files: Sequence[str]) -> dict[str, Any]:
    """A stage without its params and outputs. files: the code it depends on."""
    return {
        "wdir": "../..",
        "cmd": command.of(script, argument),
        "params": [],
        "deps": [*(path.as_posix() for path in deps), *files],
    }


def _unique(deps: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(deps))


def _tables(cached: Path, committed: Path) -> list[Any]:
    """Outputs of a stage; they are no `plots`, because a table of many quantities has no axes."""
    return [cached.as_posix(), in_git(committed)]


def _outs(*outs: Path) -> dict[str, Any]:
    return {"outs": [path.as_posix() for path in outs]}
