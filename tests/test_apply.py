"""`python -m pipeline.dag.apply` where another chain's outputs are in no cache."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from tests import dvced

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_an_experiment_is_applied_where_another_chain_was_never_run(tmp_path: Path) -> None:
    dvced.repository(tmp_path)
    dvced.dvc(tmp_path, "exp", "run", "-q", "-n", "faster", "-S", "lr=2")
    dvced.git(tmp_path, "checkout", "-q", "--", ".")
    dvced.dvc(tmp_path, "checkout", "-q", "--allow-missing")
    assert (tmp_path / "out").read_text() == "lr: 1\n"
    command = [sys.executable, str(ROOT / "pipeline/dag/apply.py"), "faster"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "applied faster\n"), done.stderr
    assert (tmp_path / "out").read_text() == (tmp_path / "params.yaml").read_text() == "lr: 2\n"


def test_an_experiment_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    dvced.repository(tmp_path)
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
