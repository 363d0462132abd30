"""Rules that the code could silently break: layers, what DVC watches, light imports, plug-ins."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.dag import written
from pipeline.settings import check, config, places
from pipeline.values import paths, plugins
from tests import lottery

ROOT = lottery.ROOT
PLUG_INS = set(plugins.KINDS)
# Each may use those before it; all that is not named here is in the last: nothing that is trained depends on it.
LAYERS = (
    {"values"}, {"domain"}, PLUG_INS, {"training"}, {"files"}, {"run"}, {"scoring", "transfer"},
    {"settings", "executors", "tracking", "scale"},
)  # fmt: skip
# What the layers above use inside functions, because it changes no output: it refuses, carries out or tells.
WITHOUT_EFFECT = {"dag", "executors", "settings", "tracking"}
EVERY_PLUG_IN = [(kind, name) for kind in plugins.KINDS for name in plugins.names(kind)]
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


def rooms(path: Path, inside_functions: bool) -> set[str]:
    return {m.split(".")[1] for m in imported(path, inside_functions) if m.startswith("pipeline.")}


def test_imports_go_downward_only() -> None:
    seen = set()
    for path in sources("pipeline"):
        mine = path.parts[1].removesuffix(".py")
        seen.add(mine)
        assert not any(module.startswith("stages") for module in imported(path)), path
        assert {room for room in rooms(path, False) if layer(room) > layer(mine)} == set(), path
        upward = {room for room in rooms(path, True) if layer(room) > layer(mine)}
        assert upward <= (WITHOUT_EFFECT if mine == "run" else set()), path
    assert seen >= set.union(*LAYERS)


def test_claims_are_judged_without_knowing_figures_or_reports() -> None:
    for path in sources("pipeline/claims"):
        assert rooms(path, True) <= {"claims", "examine", "files", "results", "settings", "values"}, path
    used = {
        room
        for room in ("figures", "results", "settings")
        for path in sources(f"pipeline/{room}")
        if "claims" in rooms(path, True)
    }
    assert not used


def test_a_plug_in_knows_the_domain_and_no_other_plug_ins() -> None:
    for path in sources("pipeline"):
        if path.parts[1] in PLUG_INS:
            assert rooms(path, True) <= {"values", "domain", path.parts[1]}, path


def test_domain_code_knows_no_files_no_globals_and_no_command_line() -> None:
    for path in sources("pipeline"):
        if path.parts[1] in {"domain", *PLUG_INS} - {"data"}:
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


def loaded_by(script: str) -> set[str]:
    return set(printed_by(f"{script}; print(*sys.modules)").split())


def printed_by(script: str) -> str:
    command = [sys.executable, "-c", f"import sys; {script}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=lottery.environment()).stdout


def files_of(modules: set[str]) -> set[str]:
    """Of modules, those of the repository that hold code."""
    ours = [Path(*module.split(".")) for module in modules]
    found = (p for module in ours for p in (module.with_suffix(".py"), module / "__init__.py") if p.is_file())
    return {p.as_posix() for p in found if any(not isinstance(node, ast.Expr) for node in ast.parse(p.read_text()).body)}


def watched(path: Path, stage: str) -> set[Path]:
    """The files that a DVC file says a stage depends on as code, rooms that stand for their files written out."""
    content = YAML(typ="safe").load(path.read_text())["stages"][stage]
    listed = [Path(p) for p in content.get("do", content)["deps"] if p.startswith(("pipeline", "stages"))]
    return {f for path in listed for f in ([path] if path.suffix else path.glob("*.py"))}


def code_of(path: Path, *stages: str) -> set[str]:
    """The same of several stages, plug-ins aside."""
    files = set().union(*(watched(path, stage) for stage in stages))
    return files_of({".".join(f.with_suffix("").parts).removesuffix(".__init__") for f in files if f.parts[1] not in PLUG_INS})


def test_what_a_stage_imports_is_what_dvc_watches() -> None:
    """Each stage in a process of its own; those that train are forked from one that has torch, which takes a second."""
    fork = (
        "import os, torch\nfor stage in ('train_dense', 'retrain', 'control'):\n if os.fork() == 0:\n"
        "  __import__('stages.' + stage); print(stage, *sys.modules, flush=True); os._exit(0)\n os.wait()"
    )
    found = {stage: set(modules) for stage, *modules in map(str.split, printed_by(fork).splitlines())}
    assert len(found) == 3
    found |= {stage: loaded_by(f"import stages.{stage}") for stage in ("prune", "borrow")}
    chains = {"control": ("digits", "control_reinit"), "borrow": ("fashion_transfer", "borrow_transferred")}
    for stage, modules in found.items():
        chain, name = chains.get(stage, ("digits", stage))
        expected = code_of(places.chain(chain), name)
        assert files_of(modules) == expected, stage
        assert len(expected) > 5
        assert not {m.split(".")[0] for m in modules} & HEAVY, stage
    assert "torch" not in found["prune"] | found["borrow"]


@pytest.mark.parametrize("stage", ["aggregate", "claims", "examine", "plot", "report"])
def test_what_a_stage_of_tables_figures_or_reports_imports_is_what_dvc_watches(stage: str) -> None:
    expected = code_of(places.ROOT_CHAIN if stage in ("claims", "report") else places.chain("digits"), stage)
    assert files_of(loaded_by(f"import stages.{stage}")) == expected
    assert len(expected) > 5


def test_a_whole_training_run_loads_nothing_heavy_and_no_code_that_dvc_does_not_watch(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment(arms={}))):
        run = "; ".join(f"from stages import {s}; {s}.main({a!r})" for s, a in [
            ("train_dense", "toy"), ("prune", "toy/r01"), ("retrain", "toy/r01")
        ])  # fmt: skip
        modules = loaded_by(run)
        found = {Path(file) for file in files_of(modules) if layer(Path(file).parts[1]) < len(LAYERS) - 1}
        expected = set().union(*(watched(places.chain("toy"), stage) for stage in ("train_dense", "prune", "retrain")))
    assert not {m.split(".")[0] for m in modules} & HEAVY
    plug_ins = [f"{kind}.py" for kind in (
        "models/lenet", "criteria/magnitude", "arms/ticket", "tasks/classification", "inits/glorot_normal"
    )]  # fmt: skip
    assert {Path("pipeline", file) for file in plug_ins} <= expected
    # The data set's plug-in is found, to know its name and options, but its function is only called by the download. The
    # rehearsal looks at the network as a criterion may; magnitude does not.
    assert found - {Path("pipeline/data/digits.py"), Path("pipeline/scoring/probe.py")} <= expected


def test_a_prune_stage_by_magnitude_runs_without_torch(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment(arms={}))):
        lottery.run("toy", "r00")
        modules = loaded_by("from stages import prune; prune.main('toy/r01')")
        assert paths.mask("toy", "r01", 1).is_file()
    assert "torch" not in modules


def test_the_committed_chains_are_those_of_params_yaml() -> None:
    settings = config.load()
    expected = written.expand(settings, written.wanted(settings))
    needed = {"digits", *(name for report in settings.all_reports().values() for name in report)}  # `make smoke` runs digits
    assert {places.ROOT_CHAIN, places.DATA_CHAIN, *map(places.chain, needed)} <= set(expected)
    for path, text in expected.items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run {places.REMEDY}"
    there = {p.relative_to(ROOT) for p in (ROOT / "experiments").rglob("dvc.yaml")} | {places.ROOT_CHAIN}
    assert there == set(expected)


NEEDED = {"noise": {"sigma": 1.0}, "transferred": {"masks_from": "another"}}  # options without a default


@pytest.mark.parametrize(("kind", "name"), EVERY_PLUG_IN)
def test_every_plug_in_file_defines_one_under_its_own_name(kind: plugins.Kind, name: str) -> None:
    module, attribute = plugins.find(kind, name)
    assert (module, attribute) == (f"pipeline.{kind}.{name}", name)
    plug_in = plugins.bind(kind, name, NEEDED.get(name, {}))
    assert plug_in.function.__module__ == module
    assert (plug_in.function.__doc__ or sys.modules[module].__doc__ or "").strip()
    assert plug_in.asks or kind in ("arms", "tasks", "data")


def test_there_are_plug_ins_of_every_kind() -> None:
    assert {kind for kind, _ in EVERY_PLUG_IN} == PLUG_INS
    some = {
        "models": "lenet",
        "data": "mnist",
        "criteria": "magnitude",
        "arms": "ticket",
        "tasks": "regression",
        "inits": "model",
        "structures": "unit",
    }
    assert {*some.items()} <= set(EVERY_PLUG_IN)


# Large networks, which take two to ten seconds; resnet20 and conv2_cpu stand for them otherwise.
LARGE = (
    *("conv2", "conv2_dropout", "conv4", "conv4_dropout", "conv6", "conv6_dropout", "resnet20_rewind"),
    *("gpt_char", "lenet_criteria", "vgg19", "vgg19_low", "vgg19_warmup"),
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
        for name in config.load(ROOT / paths.PARAMS).experiments
    ],
)
def test_every_experiment_can_be_built_and_pruned_to_its_end(name: str) -> None:
    """As `--show` and every training stage check it."""
    setup = check.without_data(lottery.bound(name))
    assert setup
    layers = setup.network.layers
    output = [layer for layer in layers.values() if layer.kind == "output"] or [layers["embedding.weight"]]  # a tied one
    assert output[-1].shape[0] == (setup.form.classes or setup.form.target[-1])
    items = lottery.plan(name).items()
    assert len({item.name for item in items}) == len(items) > setup.bound.experiment.pruning.rounds
