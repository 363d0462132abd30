"""The rules of docs/design.md that the code could silently break: layers, dependencies, light imports, plug-ins."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import chain
from pipeline.domain import networks
from pipeline.settings import config, places
from pipeline.values import paths, plugins
from tests import lottery

ROOT = lottery.ROOT
LAYERS = ({"values"}, {"domain", "criteria", "models", "data"}, {"training"}, {"files", "run", "results"})
PLUGINS = [(kind, name) for kind in ("models", "data", "criteria") for name in plugins.names(kind)]
HEAVY = {"mlflow", "torchvision", "pandas", "sklearn", "scipy", "matplotlib", "dvc"}


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def sources(folder: str) -> list[Path]:
    return sorted(p.relative_to(ROOT) for p in (ROOT / folder).rglob("*.py"))


def imported(path: Path, inside_functions: bool = True) -> set[str]:
    """Modules that a file imports, `from pipeline import masks` as pipeline.domain.masks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if inside_functions else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = str(node.module) in ("pipeline", "stages") or (ROOT / str(node.module).replace(".", "/")).is_dir()
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if whole else {str(node.module)}
    return found


def layer(name: str) -> int:
    return next((i for i, names in enumerate(LAYERS) if name in names), len(LAYERS) - 1)


def test_imports_go_downward_only() -> None:
    upward, seen = [], set()
    for path in sources("pipeline"):
        mine = path.parts[1].removesuffix(".py")
        seen.add(mine)
        for module in imported(path):
            if module.startswith("pipeline.") and layer(module.split(".")[1]) > layer(mine):
                upward.append(f"{path} imports {module}")
            assert not module.startswith("stages"), f"{path} imports {module}"
    assert upward == []
    assert seen >= set.union(*LAYERS)


def test_domain_code_knows_no_files_no_globals_and_no_command_line() -> None:
    for path in sources("pipeline"):
        if path.parts[1].removesuffix(".py") in LAYERS[1] - {"data"}:
            assert not imported(path) & {"argparse", "sys", "os", "pathlib", "pipeline.values.paths", "pipeline.files.store"}, (
                path
            )
            calls = {node.func.id for node in ast.walk(ast.parse(path.read_text())) if _is_named_call(node)}
            assert "open" not in calls, path


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_only_tracking_knows_mlflow_and_only_inside_functions() -> None:
    knowing = {p for p in [*sources("pipeline"), *sources("stages")] if any(m.split(".")[0] == "mlflow" for m in imported(p))}
    assert knowing
    assert {path.parts[:2] for path in knowing} == {("pipeline", "tracking")}


def loaded_by(code: str) -> set[str]:
    return set(printed_by(f"{code}; print(*sys.modules)").split())


def printed_by(code: str) -> str:
    command = [sys.executable, "-c", f"import sys; {code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=lottery.environment()).stdout


def files_of(modules: set[str]) -> set[str]:
    """Of modules, those of the repository that hold code."""
    ours = [Path(*module.split(".")) for module in modules]
    found = (p for module in ours for p in (module.with_suffix(".py"), module / "__init__.py") if p.is_file())
    return {p.as_posix() for p in found if any(not isinstance(node, ast.Expr) for node in ast.parse(p.read_text()).body)}


def code_of(stage: str) -> set[str]:
    """The files that an experiment's DVC file, or the root's, says a stage depends on, plug-ins aside."""
    path = places.ROOT_CHAIN if stage == "report" else places.chain("digits")
    content = YAML(typ="safe").load(path.read_text())["stages"][stage]
    listed = [Path(p) for p in content.get("do", content)["deps"] if p.startswith(("pipeline", "stages"))]
    files = {f for path in listed for f in ([path] if path.suffix else path.glob("*.py"))}
    ours = {f for f in files if f.parts[:2] not in {("pipeline", kind) for kind in plugins.KINDS}}
    return files_of({".".join(f.with_suffix("").parts).removesuffix(".__init__") for f in ours})


def test_what_a_stage_imports_is_what_dvc_watches() -> None:
    """Each stage in a process of its own; those that train are forked from one that has torch, which takes a second."""
    fork = (
        "import os, torch\nfor stage in ('train_dense', 'retrain', 'control'):\n if os.fork() == 0:\n"
        "  __import__('stages.' + stage); print(stage, *sys.modules, flush=True); os._exit(0)\n os.wait()"
    )
    lines = [line.split() for line in printed_by(fork).splitlines()]
    training = {stage: set(modules) for stage, *modules in lines}
    others = {stage: loaded_by(f"import stages.{stage}") for stage in ("prune", "aggregate", "plot", "report")}
    assert len(training) == 3
    for stage, modules in (training | others).items():
        assert files_of(modules) == code_of(stage), stage
        assert len(code_of(stage)) > 5
    for stage in (*training, "prune"):
        assert not {m.split(".")[0] for m in (training | others)[stage]} & HEAVY, stage
    assert "torch" not in others["prune"]


def test_a_whole_training_run_loads_nothing_heavy_and_no_code_that_dvc_does_not_watch(tmp_path: Path) -> None:
    """Checks, executor, progress and tracking apart: they are imported inside functions because they change no output."""
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())):
        run = "; ".join(f"from stages import {s}; {s}.main({a!r})" for s, a in [
            ("train_dense", "toy"), ("prune", "toy/r01"), ("retrain", "toy/r01")
        ])  # fmt: skip
        modules = loaded_by(run)
        found = files_of(modules)
    assert not {m.split(".")[0] for m in modules} & HEAVY
    plug_ins = {"pipeline/models/lenet.py", "pipeline/criteria/magnitude.py"}
    assert plug_ins <= found
    without_effect = {"pipeline/chain.py", "pipeline/executor.py", "pipeline/progress.py"}
    # The chain's check reads which figures a report has.
    folders = tuple(f"pipeline/{folder}/" for folder in ("tracking", "results", "figures", "report"))
    rest = {p for p in found - plug_ins - without_effect if not p.startswith(folders)}
    assert rest - {"pipeline/models/__init__.py", "pipeline/criteria/__init__.py"} <= code_of("train_dense") | code_of(
        "prune"
    ) | code_of("retrain")


def test_the_committed_chains_are_those_of_params_yaml() -> None:
    settings = config.load()
    expected = chain.expand(settings, chain.wanted(settings))
    needed = {"digits", *(name for report in settings.all_reports().values() for name in report)}  # `make smoke` runs digits
    assert {places.ROOT_CHAIN, places.DATA_CHAIN, *map(places.chain, needed)} <= set(expected)
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run {places.REMEDY}"
    written = {p.relative_to(ROOT) for p in (ROOT / "experiments").rglob("dvc.yaml")} | {places.ROOT_CHAIN}
    assert written == set(expected)


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_plug_in_file_defines_one_under_its_own_name(kind: plugins.Kind, name: str) -> None:
    plug_in = plugins.load(kind, name)
    assert callable(plug_in)
    assert plug_in.__module__ == f"pipeline.{kind}.{name}"
    assert plugins.source(kind, name) == Path("pipeline", kind, f"{name}.py")
    assert plug_in.__doc__
    if kind == "criteria":
        plugins.check(kind, name, ("trained", "initial"), {})


def test_there_are_plug_ins_of_every_kind() -> None:
    assert {kind for kind, _ in PLUGINS} == {"models", "data", "criteria"}
    assert {("models", "lenet"), ("data", "mnist"), ("data", "digits"), ("criteria", "magnitude")} <= set(PLUGINS)


@pytest.mark.parametrize("name", config.load(ROOT / paths.PARAMS).experiments)
def test_every_experiment_can_be_built_and_pruned_to_its_end(name: str) -> None:
    import importlib

    from pipeline.domain import pruning

    experiment = config.load().experiment(name)
    data = importlib.import_module(plugins.find("data", experiment.data.name)[0])
    layers = networks.layers(networks.build(experiment.model.name, data.SHAPE, data.CLASSES, experiment.model.options))
    groups = pruning.groups(layers, experiment.pruning.rates, experiment.pruning.scope)
    pruning.check(groups, experiment.pruning.rounds)
    assert list(layers.values())[-1].shape[0] == data.CLASSES
    items = experiment.items(name)
    assert len({item.name for item in items}) == len(items) > experiment.pruning.rounds
