"""params.yaml expanded into DVC files: DVC's templates cannot say that round k depends on round k - 1."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.report import registry
from pipeline.run import closure
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from pipeline.values.experiment import Control, Experiment
from pipeline.values.lanes import ARMS, Item

HEADER = f"# Written from params.yaml by `{places.REMEDY}`; change it there.\n"

# The sections of an experiment that each stage reads: a change of another one leaves the stage alone. A reinit control
# uses neither the rewind point nor the dense network, but belongs to the chain of its tickets, which is told by them.
PRUNING = ["pruning.criterion", "pruning.scope", "pruning.rates"]
READS = {
    "train_dense": ["data", "model", "init", "optimizer", "training", "rewind", "seeds"],
    "prune": [*PRUNING, "seeds"],
    "retrain": ["data", "model", "optimizer", "training", "rewind", "seeds", *PRUNING],
    "control": ["data", "model", "init", "optimizer", "training", "rewind", "seeds", *PRUNING],
    "aggregate": ["pruning.rounds", "arms", "seeds"],
}


def wanted(config: Config) -> set[str]:
    """The experiments whose chains are there, and those that a report needs. The others' are written on request: DVC reads
    every stage of the repository in every command, 2 ms each.
    """
    there = {name for name in config.experiments if places.chain(name).is_file()}
    return there.union(*config.all_reports().values())


def expand(config: Config, names: Iterable[str]) -> dict[Path, str]:
    """The text of the DVC files of the repository, with the chains of these experiments."""
    files = {path: _reports(config, path) for path in (places.ROOT_CHAIN, places.DATA_CHAIN)}
    files |= {places.chain(name): _experiment(name, config.experiment(name)) for name in sorted(names)}
    return {path: HEADER + _yaml(content) for path, content in files.items()}


def check(name: str, experiment: Experiment) -> None:
    """Raises: UserError when an experiment's DVC file is not what params.yaml and the imports say."""
    _compare(places.chain(name), HEADER + _yaml(_experiment(name, experiment)))


def check_report(config: Config, name: str) -> None:
    """The same for the DVC file that has the stage of a report."""
    path = places.report_chain(name)
    _compare(path, HEADER + _yaml(_reports(config, path)))


def _compare(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise UserError(f"{path} does not agree with {paths.PARAMS}; run `{places.REMEDY}`, then `dvc repro` again")


def _experiment(name: str, experiment: Experiment) -> dict[str, Any]:
    """`prune` and `retrain` of all rounds are one template each: `prev` says what a round is pruned from."""
    every = experiment.items(name)
    rounds = {i.name: {"prev": i.previous.name, "start": i.start.name} for i in every if i.round and not ARMS[i.arm].is_control}
    controls = {i.name: {"masks": i.masked.name, "reads": _read(i, experiment)} for i in every if ARMS[i.arm].is_control}
    data, dense = paths.data(experiment.data.name), Item(name, 0, "ticket").name
    model = plugins.source("models", experiment.model.name)
    criterion = plugins.source("criteria", experiment.pruning.criterion)
    layers, masks, lanes = paths.layers(name), paths.masks(name, "${key}"), paths.lanes(name, "${key}")
    before = paths.masks(name, "${item.prev}"), paths.lanes(name, "${item.prev}")

    stages = {
        "train_dense": _stage("train_dense", name, deps=[data], plugin=model)
        | _outs(layers, paths.masks(name, dense), paths.lanes(name, dense)),
        "prune": _each("rounds", _stage("prune", name, deps=[layers, *before], plugin=criterion) | _outs(masks)),
        "retrain": _each(
            "rounds", _stage("retrain", name, deps=[data, masks, paths.lanes(name, "${item.start}")], plugin=model) | _outs(lanes)
        ),
    }
    if controls:
        deps = [data, paths.masks(name, "${item.masks}"), paths.lanes(name, dense)]
        stages["control"] = _each("controls", _stage("control", name, deps, plugin=model, more=["${item.reads}"]) | _outs(lanes))
    axes = {"x": "density", "y": "accuracy_at_early_stop"}
    trained = [paths.lanes(name, i.name) for i in every]
    stages["aggregate"] = _stage("aggregate", name, trained) | _outs(paths.curves(name))
    stages["aggregate"]["plots"] = [{places.rounds(name).as_posix(): {"cache": False, **axes}}]
    stages["plot"] = _stage("plot", name, [paths.curves(name), places.rounds(name)])
    stages["plot"] |= {"params": ["figures"], "plots": [{places.figures(name).as_posix(): {"cache": False}}]}
    return {"vars": [{"rounds": rounds}, *([{"controls": controls}] if controls else [])], "stages": stages}


def _read(control: Item, experiment: Experiment) -> str:
    """What a control reads of its own arm: another arm's draws must not train it again. One that is not drawn reads nothing
    more than all do.
    """
    drawn = isinstance(getattr(experiment.arms, control.arm), Control)
    return f"arms.{control.arm}.draws" if drawn else READS["control"][0]


def _stage(script: str, name: str, deps: list[Path], plugin: Path | None = None, more: Iterable[str] = ()) -> dict[str, Any]:
    """A stage of an experiment's chain, without its outputs. plugin: the file that the experiment chose for it."""
    sections = [f"experiments.{name}.{section}" for section in [*READS.get(script, []), *more]]
    code = closure.dependencies(Path("stages") / f"{script}.py", *([plugin] if plugin else []))
    return {
        "wdir": "../..",
        "cmd": f"python -m stages.{script} {name}",
        **({"params": sections} if sections else {}),
        "deps": [*(p.as_posix() for p in deps), *code],
    }


def _outs(*outs: Path) -> dict[str, Any]:
    return {"outs": [path.as_posix() for path in outs]}


def _each(variable: str, stage: dict[str, Any]) -> dict[str, Any]:
    """The stage once for every item of a variable, whose name is the rest of the command's argument."""
    return {"foreach": f"${{{variable}}}", "do": stage | {"cmd": f"{stage['cmd']}/${{key}}"}}


def _reports(config: Config, path: Path) -> dict[str, Any]:
    """The main report in the root's file; the downloads and all further reports in the other one."""
    stages = {} if path == places.ROOT_CHAIN else {"download": _downloads()}
    return {
        "stages": stages
        | {places.report_stage(n): _report(config, n) for n in config.all_reports() if places.report_chain(n) == path}
    }


def _downloads() -> dict[str, Any]:
    names = plugins.names("data")
    sets = {name: closure.dependencies(Path("stages/download.py"), Path(f"pipeline/data/{name}.py")) for name in names}
    stages: dict[str, Any] = {"wdir": "..", "cmd": "python -m stages.download ${item}"}
    shared = sorted({path for files in sets.values() for path in files} - {f"pipeline/data/{name}.py" for name in names})
    stages |= {"deps": ["pipeline/data/${item}.py", *shared], "outs": [paths.data("${item}").as_posix()]}
    return {"foreach": names, "do": stages}


def _report(config: Config, name: str) -> dict[str, Any]:
    """Of other experiments it reads those that say whether one of its own is a reduced budget, and which reports have which
    networks: a figure that this report doesn't draw names the report that does.
    """
    names = config.all_reports()[name]
    shown = registry.over(config, names)
    files = [path(n) for path in (places.rounds, places.figures) for n in names]
    files += [paths.curves(n) for n in registry.need_curves(config, names)]
    read = dict.fromkeys([*names, *(other for n in names for other in registry.alike(config, n))])
    others = dict.fromkeys(n for report in config.all_reports().values() for n in report if n not in read)
    return {
        **({} if name == places.MAIN else {"wdir": ".."}),
        "cmd": f"python -m stages.report {name}",
        "params": [
            *(["report", "reports"] if config.reports else ["report"]),
            "figures",
            *(f"experiments.{n}" for n in read),
            *(f"experiments.{n}.model" for n in others),
        ],
        "deps": [*(path.as_posix() for path in files), *closure.dependencies(Path("stages/report.py"))],
        "outs": [{places.index(name).as_posix(): {"cache": False}}],
        "metrics": [{places.metrics(name).as_posix(): {"cache": False}}],
        **({"plots": [{places.comparison(name).as_posix(): {"cache": False}}]} if shown else {}),
    }


def _yaml(content: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
