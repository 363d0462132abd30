"""A repository of git and DVC with a copy of the real code that a test may edit, and stages that are in DVC's lock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
COPIED = ("pipeline", "stages", ".dvc/config", ".dvcignore")
AFTER = {"aggregate", "examine", "plot"}  # the stages of a chain that come after training


def copy(names: Iterable[str], folder: Path) -> None:
    """Files and folders of this repository, with what Python has compiled, but not what it is compiling."""
    for name in names:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(source, target)


class Scratch:
    """Commands run in processes of their own, so that edits of the code are seen."""

    def __init__(self, folder: Path, params: Mapping[str, Any], python_path: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(map(str, filter(None, [folder, python_path])))
        self.environment = os.environ | {
            "OMP_NUM_THREADS": "1", "LOTTERY_TRACKING": "off", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        copy(COPIED, folder)
        (folder / ".gitignore").write_text("/work/\n/.lottery/\n__pycache__/\n")
        self.run("git", "init", "--quiet")
        (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
        self.write_params(params)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def python(self, code: str) -> str:
        return self.run(sys.executable, "-c", code).stdout

    def write_params(self, params: Mapping[str, Any]) -> None:
        with (self.folder / "params.yaml").open("w") as file:
            YAML(typ="safe").dump(dict(params), file)

    def write_chains(self, *experiments: str) -> None:
        self.run(sys.executable, "-m", "stages.repeat_rounds", *experiments)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert old in text, f"{file} has no {old!r}"
        (self.folder / file).write_text(text.replace(old, new, 1))

    def commit(self, *names: str) -> None:
        """Tells DVC that the stages of experiments were run by the present code. What would run again does not depend on
        the content of their outputs, in whose places are small files; data sets are real, because what writes chains reads them.
        """
        self.python(
            "from pathlib import Path\n"
            "from dvc.repo import Repo\n"
            "from pipeline.settings import config\n"
            "from stages import download\n"
            "repo = Repo('.')\n"
            f"for name in {names!r}:\n"
            "    download.main(config.load().experiment(name).data.slug)\n"
            "    with repo.lock:\n"
            "        stages = repo.stage.collect(f'experiments/{name}/dvc.yaml')\n"
            "    for path in (Path(out.fs_path) for stage in stages for out in stage.outs):\n"
            "        if not path.exists():\n"
            "            file = path if path.suffix else path / 'file'\n"
            "            file.parent.mkdir(parents=True, exist_ok=True)\n"
            "            file.write_text('made')\n"
            "    repo.commit(f'experiments/{name}/dvc.yaml', force=True)\n"
        )

    def changed(self, *names: str) -> list[set[str]]:
        """For each experiment the stages, before its tables and figures, that `dvc repro` would run, by their own names: not
        those that only depend on them.
        """
        found = self.python(
            "from dvc.repo import Repo\n"
            "repo = Repo('.')\n"
            "with repo.lock:\n"
            f"    for name in {names!r}:\n"
            "        stages = repo.stage.collect(f'experiments/{name}/dvc.yaml')\n"
            "        print(*[stage.name for stage in stages if stage.changed(allow_missing=True)])\n"
        )
        return [set(line.split()) - AFTER for line in found.split("\n")[: len(names)]]
