"""The DVC file of one experiment: the dense network, then for each arm the stages that make its rounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.domain.arms import Arm
from pipeline.run import code
from pipeline.run.bound import Bound
from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item
from pipeline.values.plugins import Plugin

# The sections of an experiment that each kind of stage reads: a change of another one leaves the stage alone.
PRUNING = ["pruning.criterion", "pruning.scope", "pruning.rates"]
TRAINING = ["data", "task", "model", "optimizer", "training", "rewind", "seeds"]
AGGREGATED = ["pruning.rounds", "arms", "seeds"]
WITH_NETWORK = {"module", "batch", "gradient"}  # a criterion that asks for one of these needs data and network to prune
PROBE = Path("pipeline/scoring/probe.py")  # and what makes them


def stages(bound: Bound) -> dict[str, Any]:
    """The content of the file. Every arm's rounds are one template, over what each of them is made from."""
    name, lottery = bound.name, bound.lottery
    rounds = {arm: _rounds(bound, arm) for arm in lottery.arms}
    found = {"train_dense": _train_dense(bound)}
    for arm in lottery.arms:
        found |= _arm(bound, arm)
    every = lottery.items()
    found["aggregate"] = _stage("aggregate", name, [paths.lanes(name, item.name) for item in every], _code("aggregate"))
    found["aggregate"] |= {"params": _params(bound, AGGREGATED)} | _outs(places.curves(name))
    found["aggregate"]["plots"] = [{places.rounds(name).as_posix(): {"cache": False}}]
    found["plot"] = _stage("plot", name, [places.curves(name), places.rounds(name)], _code("plot"))
    found["plot"] |= {"params": ["figures"], "plots": [{places.figures(name).as_posix(): {"cache": False}}]}
    return {"vars": [{"arms": rounds}] if rounds else [], "stages": found}


def _train_dense(bound: Bound) -> dict[str, Any]:
    name, dense = bound.name, bound.lottery.dense.name
    used = [bound.model, bound.task, bound.init]
    stage = _stage("train_dense", name, [_data(bound)], _code("train_dense", used))
    stage["params"] = _params(bound, [*TRAINING, "init"])
    return stage | _outs(paths.layers(name), paths.masks(name, dense), paths.lanes(name, dense))


def _rounds(bound: Bound, arm: str) -> dict[str, str]:
    """Of each round of an arm, the item that it is pruned from, or whose masks it takes."""
    lottery = bound.lottery
    of = lottery.masks_of if lottery.arms[arm].is_control else lottery.pruned_from
    return {f"r{k:02d}": of(Item(bound.name, k, arm)).name for k in bound.experiment.rounds_of(arm)}


def _arm(bound: Bound, name: str) -> dict[str, Any]:
    arm = bound.lottery.arms[name]
    if arm.is_control:
        return {places.stage("control", name): _trained("control", bound, name, arm)}
    return {
        places.stage("prune", name): _pruned(bound, name, arm),
        places.stage("retrain", name): _trained("retrain", bound, name, arm),
    }


def _pruned(bound: Bound, name: str, arm: Arm) -> dict[str, Any]:
    experiment, criterion, dense = bound.name, bound.criteria[name], bound.lottery.dense.name
    deps = [paths.layers(experiment), paths.masks(experiment, "${item}"), paths.lanes(experiment, "${item}")]
    used, scripts, sections = [bound.lottery.plugins[name], criterion], [], ["pruning.scope", "pruning.rates", "seeds"]
    if criterion.asks & {"initial", "rewound"}:
        deps.append(paths.lanes(experiment, dense))
    if criterion.asks & WITH_NETWORK:
        deps.append(_data(bound))
        used += [bound.model, bound.task]
        scripts, sections = [PROBE], ["data", "task", "model", "training", "rewind", *sections]
    if arm.criterion is None:
        sections = ["pruning.criterion", *sections]
    stage = _stage("prune", _argument(bound, name), _unique(deps), _code("prune", used, scripts))
    stage["params"] = _params(bound, [*sections, *_options(bound.experiment, name)])
    return {"foreach": f"${{arms.{name}}}", "do": stage | _outs(paths.masks(experiment, _item(name)))}


def _trained(script: str, bound: Bound, name: str, arm: Arm) -> dict[str, Any]:
    experiment = bound.name
    masks = paths.masks(experiment, "${item}" if arm.is_control else _item(name))
    # An arm begins from what the dense training left, or goes on from what its masks were pruned from.
    deps = [_data(bound), masks, paths.lanes(experiment, bound.lottery.dense.name)]
    used, sections = [bound.model, bound.task, bound.lottery.plugins[name]], [*TRAINING, *PRUNING]
    if "trained" in arm.asks:
        deps.append(paths.lanes(experiment, "${item}"))
    if "fresh" in arm.asks:
        used.append(bound.init)
        sections.append("init")
    stage = _stage(script, _argument(bound, name), _unique(deps), _code(script, used))
    stage["params"] = _params(bound, [*sections, *_options(bound.experiment, name)])
    return {"foreach": f"${{arms.{name}}}", "do": stage | _outs(paths.lanes(experiment, _item(name)))}


def _item(arm: str) -> str:
    """The name of an arm's item, in a template over its rounds."""
    return Item("", 0, arm).name.replace("r00", "${key}")


def _argument(bound: Bound, arm: str) -> str:
    return f"{bound.name}/{_item(arm)}"


def _data(bound: Bound) -> Path:
    return paths.data(bound.experiment.data.slug)


def _options(experiment: Experiment, arm: str) -> list[str]:
    """What a stage reads of its own arm: another arm's draws must not train it again, nor another round of its own."""
    return [f"arms.{arm}.{key}" for key in sorted(experiment.all_arms[arm].own_keys)] if arm in experiment.arms else []


def _params(bound: Bound, sections: Sequence[str]) -> list[str]:
    """Those sections that params.yaml has: one that is left out has its usual value, and DVC would look for it in vain."""
    there = [section for section in sections if section.split(".")[0] in bound.experiment.model_fields_set]
    return [f"experiments.{bound.name}.{section}" for section in there]


def _code(script: str, used: Sequence[Plugin] = (), more: Sequence[Path] = ()) -> list[str]:
    return code.dependencies([Path("stages", f"{script}.py"), *more], [plugin.source for plugin in used])


def _stage(script: str, argument: str, deps: Sequence[Path], files: Sequence[str]) -> dict[str, Any]:
    """A stage without its params and outputs. files: the code it depends on."""
    return {
        "wdir": "../..",
        "cmd": f"python -m stages.{script} {argument}",
        "params": [],
        "deps": [*(path.as_posix() for path in deps), *files],
    }


def _unique(deps: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(deps))


def _outs(*outs: Path) -> dict[str, Any]:
    return {"outs": [path.as_posix() for path in outs]}
