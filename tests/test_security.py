"""What docs/security.md promises: no unsafe call in the source, and no shell text or secret from the settings or environment."""

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dag import command, written
from pipeline.data import _sources
from pipeline.settings import config
from pipeline.tracking import __main__ as tracking
from pipeline.tracking import connection
from pipeline.values.errors import UserError
from tests import lottery

ROOT = lottery.ROOT
SOURCES = sorted(path for folder in ("pipeline", "stages", "benchmarks", ".ci") for path in (ROOT / folder).rglob("*.py"))
# Calls that can run code from a file or from a text, by the name with which they are written.
UNSAFE = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads"),
    *("pickle.Unpickler", "pickle._Unpickler"),
    *(
        "pandas.read_pickle",
        "pd.read_pickle",
        "joblib.load",
        "marshal.loads",
        "shelve.open",
        "torch.export.load",
        "torch.hub.load",
    ),
    *("yaml.load", "yaml.unsafe_load", "cloudpickle.load", "cloudpickle.loads", "dill.load", "dill.loads"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
}
ALLOWED = {
    "pipeline/data/_pickles.py": {"pickle._Unpickler"},  # its find_class admits nothing but arrays (tests/test_data.py)
    "pipeline/executors/several_gpus.py": {"cloudpickle.loads"},  # of what the parent process has just made
    "pipeline/export/folder.py": {"torch.export.load"},  # of the file that the line before it wrote into a folder of its own
}
HOSTILE = (
    *("a;touch x", "a$(touch x)", "a`touch x`", "a b", "-a", "--help", "../a", "a/b", "a\nb", "a\n", "a|b", "a&b", "a>b", "a'b"),
    *('a"b', "a\\b", "a*", "~a", "#a", "${a}", "a${key}", "A", "1a", "", "ä", "a\x00b", "a{b,c}", "a!b", "%a", "a=b"),
)


def unsafe(tree: ast.AST) -> Iterator[str]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, given = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
        if name in UNSAFE:
            yield name
        if name.endswith("torch.load") and given.get("weights_only") != "True":
            yield "torch.load without weights_only=True"
        if given.get("shell", "False") != "False":
            yield f"{name} with shell=True"
        if name.rpartition(".")[2] == "load" and given.get("allow_pickle", "False") != "False":
            yield f"{name} with allow_pickle"
        if name.rpartition(".")[2] == "YAML" and given.get("typ", "'rt'") not in ("'rt'", "'safe'"):
            yield f"{name} with {given['typ']}"
    for base in (ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases):
        if base in UNSAFE:
            yield base
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        yield from (name for name in (f"{node.module}.{alias.name}" for alias in node.names) if name in UNSAFE)


@pytest.mark.parametrize(
    "code",
    [
        "pickle.load(f)", "torch.load(f)", "torch.load(f, weights_only=False)", "subprocess.run(c, shell=True)", "os.system('x')",
        "eval('1')", "YAML(typ='unsafe')", "np.load(f, allow_pickle=True)", "class U(pickle._Unpickler): ...", "yaml.load(f)",
        "from pickle import loads",
    ],
)  # fmt: skip
def test_unsafe_calls_are_found(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


def test_the_source_has_no_unsafe_call() -> None:
    assert len(SOURCES) > 150
    found = {path.relative_to(ROOT).as_posix(): set(unsafe(ast.parse(path.read_text("utf-8")))) for path in SOURCES}
    assert {path: calls for path, calls in found.items() if calls} == ALLOWED


def commands(content: dict[str, Any], folder: Path) -> list[str]:
    """The commands of all stages that are written for such settings."""
    with lottery.chdir(folder):
        lottery.write_params(Path("params.yaml"), content)
        settings = config.load()
        texts = written.expand(settings, settings.experiments).values()
    found = [stage.get("do", stage)["cmd"] for text in texts for stage in lottery.YAML(typ="safe").load(text)["stages"].values()]
    assert found
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pipeline", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", ["experiment", "report", "arm", "data", "kind"])
def test_a_name_that_a_shell_could_misread_is_refused(where: str, name: str, folder: Path) -> None:
    toy = lottery.experiment(arms={})
    content = lottery.params(toy=toy)
    if where == "experiment":
        content = lottery.params(**{name: toy})
    elif where == "report":
        content["reports"] = {name: ["toy"]}
    elif where == "arm":
        toy["arms"] = {name: {"name": "one_shot", "rounds": [1]}}
    elif where == "data":
        name = f"{name} " if name.isidentifier() else name  # an identifier could be a function
        toy["data"] = {"name": f"tests.toy:{name}", "validation": 30}
    else:
        toy["pruning"]["rates"] = {name: 0.5}
    with pytest.raises(UserError, match=r"^params\.yaml(.|\n)*should") as raised:
        commands(content, folder)
    assert "Traceback" not in str(raised.value)


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda key: key not in ("name", "validation", "augment")),
                       st.text(max_size=12) | st.integers() | st.lists(st.text(max_size=3), max_size=2), max_size=2))  # fmt: skip
def test_options_of_a_data_set_are_one_harmless_word_of_a_command(options: dict[str, Any]) -> None:
    from pipeline.values.experiment import Data

    data = Data.model_validate({"name": "digits", "validation": 1} | options)
    line = command.of("download", data.slug)
    assert shlex.split(line) == line.split(" ") == ["python", "-m", "stages.download", data.slug]
    assert "/" not in data.slug


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("a/b", "A", "1a", "ä", "a${key}")])
def test_no_command_is_made_of_what_a_shell_could_misread(name: str) -> None:
    with pytest.raises(UserError, match=r"^the argument of the stage download is .*, but .*, because DVC gives it to a shell$"):
        command.of("download", name)


@pytest.mark.parametrize("name", ["x\nstages: {a: {cmd: touch harmed}}\n#.yaml", "a${b}.yaml", "a:b.yaml"])
def test_the_name_of_a_file_of_settings_adds_nothing_to_a_dvc_file(name: str, folder: Path) -> None:
    (folder / "experiments").mkdir()
    lottery.write_params(folder / "experiments" / name, {"experiments": {"far": lottery.experiment(arms={})}})
    with pytest.raises(UserError, match=r"^the file of settings is called 'experiments/.* should contain only letters, digits"):
        commands(lottery.params(toy=lottery.experiment(arms={})), folder)


def test_mlflow_listens_on_this_machine_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracking.os, "execv", lambda program, arguments: started.append(arguments))
    for name in connection.ENVIRONMENT:
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    monkeypatch.setattr(tracking, "_show", lambda server: None)  # it would import MLflow, whose warnings are errors here
    tracking.ui(0)
    [arguments] = started
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert not {"--disable-security-middleware", "--allowed-hosts", "--cors-allowed-origins"} & set(arguments)


def test_a_password_in_a_sources_reason_is_not_repeated(tmp_path: Path) -> None:
    said = "ERROR: cannot reach https://me:s3c@ret@packages.example/simple and //me:s3cret@other/path"
    with pytest.raises(_sources.SourceError) as raised:
        _sources.run([sys.executable, "-c", f"import sys; sys.exit({said!r})"], tmp_path)
    assert str(raised.value) == "ERROR: cannot reach https://packages.example/simple and //other/path"


def test_readers_of_secrets_are_few() -> None:
    """Whatever reads the environment could write a secret; each of these reads only what its docs name."""
    reads = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if path.parts[len(ROOT.parts)] in ("pipeline", "stages") and re.search(r"environ\b|getenv", path.read_text("utf-8"))
    }
    assert reads == READ_THE_ENVIRONMENT


READ_THE_ENVIRONMENT = {
    "pipeline/dag/order.py",  # DVC_STAGE
    "pipeline/data/_sources.py",  # hands it to pip, npm and apt-get, which know their own registries
    "pipeline/executors/__init__.py",  # LOTTERY_EXECUTOR
    "pipeline/executors/ray_cluster.py",  # RAY_ADDRESS and the share of a GPU; makes the token of a cluster on this machine
    "pipeline/executors/settled.py",  # DVC_STAGE
    "pipeline/executors/several_gpus.py",  # CUDA_VISIBLE_DEVICES
    "pipeline/executors/stop.py",  # DVC_STAGE
    "pipeline/executors/waiting.py",  # DVC_STAGE
    "pipeline/repro/__main__.py",  # LOTTERY_EXECUTOR
    "pipeline/run/device.py",  # sets CUBLAS_WORKSPACE_CONFIG
    "pipeline/tracking/__init__.py",  # LOTTERY_TRACKING
    "pipeline/tracking/__main__.py",  # sets what MLflow's server needs
    "pipeline/tracking/connection.py",  # MLFLOW_TRACKING_URI, whose password it leaves out of messages
    "pipeline/tracking/registry.py",  # puts MLFLOW_TRACKING_URI back
}
