"""`python -m pipeline.dag.apply` where another chain's outputs are in no cache."""

import subprocess
import sys
from pathlib import Path

from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
STAGES = "stages:\n  made:\n    cmd: cp params.yaml out\n    deps: [params.yaml]\n    outs: [out]\n"
NEVER_RUN = "stages:\n  other:\n    cmd: 'true'\n    outs: [lost]\n"
LOCK = """schema: '2.0'
stages:
  other:
    cmd: 'true'
    outs:
    - path: lost
      hash: md5
      md5: {md5}
      size: 3
"""


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def repository(folder: Path) -> None:
    """One stage that runs, and one whose lock is in git and whose output is nowhere."""
    for command in (["git", "init", "-q"], ["git", "config", "user.email", "a@b.c"], ["git", "config", "user.name", "a"]):
        subprocess.run(command, cwd=folder, check=True)
    assert dvc(folder, "init", "-q").returncode == 0
    (folder / "never").mkdir()
    for name, text in {"dvc.yaml": STAGES, "params.yaml": "lr: 1\n", "never/dvc.yaml": NEVER_RUN,
                       "never/dvc.lock": LOCK.format(md5="a" * 32), ".gitignore": "/out\n/never/lost\n"}.items():  # fmt: skip
        (folder / name).write_text(text)
    ran = dvc(folder, "repro")
    assert ran.returncode == 0, ran.stderr
    subprocess.run("git add . && git commit -qm first", cwd=folder, check=True, shell=True)


def test_an_experiment_is_applied_where_another_chain_was_never_run(tmp_path: Path) -> None:
    repository(tmp_path)
    assert dvc(tmp_path, "exp", "run", "-q", "-n", "faster", "-S", "lr=2").returncode == 0
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=tmp_path, check=True)
    assert dvc(tmp_path, "checkout", "-q", "--allow-missing").returncode == 0
    assert (tmp_path / "out").read_text() == "lr: 1\n"
    command = [sys.executable, str(ROOT / "pipeline/dag/apply.py"), "faster"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "applied faster\n"), done.stderr
    assert (tmp_path / "out").read_text() == (tmp_path / "params.yaml").read_text() == "lr: 2\n"


def test_an_experiment_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    repository(tmp_path)
    command = [sys.executable, str(ROOT / "pipeline/dag/apply.py"), "nothing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_readmes_plug_ins_are_yaml_that_dvc_reads_and_writes_back_alike(tmp_path: Path) -> None:
    shown = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "params.yaml"
    file.write_text(f"lr: 1\n{shown}")
    before = YAML(typ="safe").load(file)
    apply_overrides(str(file), ["lr=2"])
    assert YAML(typ="safe").load(file) == before | {"lr": 2}
    assert before["criterion"]["name"] == "mypackage.criteria:mine"
