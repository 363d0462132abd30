"""params.yaml expanded into DVC files: DVC's templates cannot say that round k depends on round k - 1."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import closure, paths, plugins
from pipeline.config import Config, Experiment
from pipeline.errors import UserError
from pipeline.lanes import CONTROLS, Item

REMEDY = "python -m stages.repeat_rounds"
HEADER = f"# Written from params.yaml by `{REMEDY}`; change it there.\n"

# The sections of an experiment that each stage reads: a change of another one leaves the stage alone.
PRUNING = ["pruning.criterion", "pruning.scope", "pruning.rates"]
READS = {
    "train_dense": ["data", "model", "init", "optimizer", "training", "rewind", "seeds"],
    "prune": [*PRUNING, "seeds"],
    "retrain": ["data", "model", "optimizer", "training", "rewind", "seeds", *PRUNING],
    "control": ["data", "model", "init", "optimizer", "training", "seeds", *PRUNING],
}


def items(name: str, experiment: Experiment) -> list[Item]:
    """Every item of an experiment, in an order in which each comes after what it needs."""
    tickets = [Item(name, k, "ticket") for k in range(experiment.pruning.rounds + 1)]
    one_shot = [Item(name, k, "one_shot") for k in experiment.rounds_of("one_shot")]
    reinit = [Item(name, k, "reinit") for k in experiment.rounds_of("reinit")]
    one_shot_reinit = [Item(name, k, "one_shot_reinit") for k in experiment.rounds_of("one_shot_reinit")]
    return tickets + one_shot + reinit + one_shot_reinit


def target(item: Item) -> str:
    """What `dvc repro` takes to make an item."""
    return f"{paths.chain(item.experiment)}:{item.stage}"


def expand(config: Config) -> dict[Path, str]:
    """The text of every DVC file of the repository."""
    files = {paths.ROOT_CHAIN: _root(config), paths.DATA_CHAIN: _downloads()}
    files |= {paths.chain(name): _experiment(name, experiment) for name, experiment in config.experiments.items()}
    return {path: HEADER + _yaml(content) for path, content in files.items()}


def check(name: str, experiment: Experiment) -> None:
    """Raises: UserError when an experiment's DVC file is not what params.yaml and the imports say."""
    _compare(paths.chain(name), HEADER + _yaml(_experiment(name, experiment)))


def check_report(config: Config) -> None:
    """The same for the root's DVC file."""
    _compare(paths.ROOT_CHAIN, HEADER + _yaml(_root(config)))


def _compare(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise UserError(f"{path} does not agree with {paths.PARAMS}; run `{REMEDY}`, then `dvc repro` again")


def _experiment(name: str, experiment: Experiment) -> dict[str, Any]:
    """`retrain` and `prune` of all rounds are one template each: `prev` says what a round is pruned from."""
    every = items(name, experiment)
    masked = {i.name: {"prev": i.previous.name} for i in every if i.round and i.arm not in CONTROLS}
    controls = {i.name: {"masks": i.masked.name} for i in every if i.arm in CONTROLS}
    dense = Item(name, 0, "ticket")
    at = paths.item(name, "${key}")
    data, model = paths.data(experiment.data.name), plugins.source("models", experiment.model.name)
    stages: dict[str, Any] = {
        "train_dense": _stage("train_dense", name, name, [data, *_given(model)],
                              [paths.layers(name), paths.masks(name, dense.name), paths.lanes(name, dense.name)])
    }  # fmt: skip
    criterion = plugins.source("criteria", experiment.pruning.criterion)
    previous = [paths.item(name, "${item.prev}") / part for part in ("masks", "lanes")]
    stages["prune"] = {
        "foreach": "${rounds}",
        "do": _stage("prune", f"{name}/${{key}}", name, [paths.layers(name), *previous, *_given(criterion)],
                     [at / "masks"]),
    }  # fmt: skip
    stages["retrain"] = {
        "foreach": "${rounds}",
        "do": _stage("retrain", f"{name}/${{key}}", name, [data, at / "masks", paths.lanes(name, dense.name), *_given(model)],
                     [at / "lanes"]),
    }  # fmt: skip
    if controls:
        reads = [f"arms.{arm}.draws" for arm in CONTROLS if experiment.rounds_of(arm)]
        stages["control"] = {
            "foreach": "${controls}",
            "do": _stage("control", f"{name}/${{key}}", name,
                         [data, paths.item(name, "${item.masks}") / "masks", *_given(model)], [at / "lanes"], reads),
        }  # fmt: skip
    lanes = [paths.lanes(name, i.name) for i in every]
    stages["aggregate"] = _stage("aggregate", name, name, lanes, [paths.curves(name)], ["pruning.rounds", "arms"])
    stages["aggregate"]["plots"] = [
        {paths.rounds(name).as_posix(): {"cache": False, "x": "density", "y": "accuracy_at_early_stop"}}
    ]
    stages["plot"] = _stage("plot", name, name, [paths.curves(name), paths.rounds(name)], [])
    stages["plot"]["params"] = ["figures"]
    stages["plot"]["plots"] = [{paths.figures(name).as_posix(): {"cache": False}}]
    variables = [{"rounds": masked}, {"controls": controls}] if controls else [{"rounds": masked}]
    return {"vars": variables, "stages": stages}


def _stage(
    script: str,
    argument: str,
    name: str,
    deps: list[Path],
    outs: list[Path],
    more: list[str] | None = None,
) -> dict[str, Any]:
    code = closure.closure(Path("stages") / f"{script}.py")
    sections = [f"experiments.{name}.{section}" for section in READS.get(script, []) + (more or [])]
    stage: dict[str, Any] = {"wdir": "../..", "cmd": f"python -m stages.{script} {argument}"}
    if sections:
        stage["params"] = sections
    stage["deps"] = [*(p.as_posix() for p in deps), *code]
    if outs:
        stage["outs"] = [p.as_posix() for p in outs]
    return stage


def _downloads() -> dict[str, Any]:
    names = plugins.names("data")
    sets = {name: closure.closure(Path("stages/download.py"), *_given(plugins.source("data", name))) for name in names}
    stages: dict[str, Any] = {"wdir": "..", "cmd": "python -m stages.download ${item}"}
    shared = sorted({path for files in sets.values() for path in files} - {f"pipeline/data/{name}.py" for name in names})
    stages |= {"deps": ["pipeline/data/${item}.py", *shared], "outs": [paths.data("${item}").as_posix()]}
    return {"stages": {"download": {"foreach": names, "do": stages}}}


def _root(config: Config) -> dict[str, Any]:
    tables = [paths.rounds(name).as_posix() for name in config.report]
    figures = [paths.figures(name).as_posix() for name in config.report]
    return {
        "stages": {
            "report": {
                "cmd": "python -m stages.report all",
                "params": ["report", *(f"experiments.{name}" for name in config.report)],
                "deps": [*tables, *figures, *closure.closure(Path("stages/report.py"))],
                "outs": [{paths.INDEX.as_posix(): {"cache": False}}],
                "metrics": [{paths.METRICS.as_posix(): {"cache": False}}],
            }
        }
    }


def _given(path: Path | None) -> list[Path]:
    return [path] if path else []


def _yaml(content: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
