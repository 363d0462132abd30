"""docs/tutorial.md, followed in a clone: every block of commands, in its order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lottery
from tests.versioned import Versioned

PAGE = (lottery.ROOT / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COPIED = ("pipeline", "stages", ".dvc/config", ".dvc/.gitignore", ".dvc/plots", ".dvcignore", ".gitignore", "params.yaml",
          "experiments", "dvc.yaml", "dvc.lock", "claims.yaml", "reports/digits")  # fmt: skip
INSTALLED = "make setup\n. .venv/bin/activate\n"  # as the tests themselves are


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    folder = Versioned(tmp_path / "clone").folder
    for name in COPIED:
        source, copy = lottery.ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, copy, ignore=ignore) if source.is_dir() else shutil.copy(source, copy)
    Versioned(folder).commit()
    said = [follow(folder, block) for block in BLOCKS]
    repro, again, changed, shown, kept, back = said
    assert "retrain digits/r03" in repro
    assert again.count("> python") == 1
    assert re.search(r"experiments.digits.optimizer.lr +0.005 +0.0005", changed)
    assert re.search(r"early stop, dense .* (later|unknown: cut off)", changed)
    assert "experiments.digits.optimizer.lr" in shown.replace("…", "")
    assert (folder / "dvc_plots/index.html").is_file()
    assert re.search(r"experiments.digits.optimizer.lr +0.005 +0.0005", kept)
    assert "lr: 5e-3" in (folder / "params.yaml").read_text()
    assert "does not agree" not in back


def follow(folder: Path, block: str) -> str:
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = lottery.environment() | identity | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder), "COLUMNS": "200",
    }  # fmt: skip
    command = ["bash", "-ec", block.removeprefix(INSTALLED)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout
