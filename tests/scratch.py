"""A repository of git and DVC with a copy of the real code that a test may edit, and lanes that are in DVC's lock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
COPIED = ("pipeline", "stages", ".dvc/config", ".dvcignore")
AFTER = {"aggregate", "examine", "plot"}  # the stages of a chain that come after training


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
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
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

    def run_stages(self, *names: str) -> None:
        """Every training stage of experiments in one process, and DVC told that its outputs are those of the present code."""
        self.python(
            "import sys\n"
            "from stages import control, download, prune, retrain, train_dense\n"
            "from pipeline.settings import check, config\n"
            f"for name in {names!r}:\n"
            "    lottery = check.settings(name, config.load().experiment(name)).lottery\n"
            "    download.main(lottery.experiment.data.slug)\n"
            "    train_dense.main(name)\n"
            "    for item in lottery.items()[1:]:\n"
            "        argument = f'{name}/{item.name}'\n"
            "        if lottery.is_control(item):\n"
            "            control.main(argument)\n"
            "        else:\n"
            "            prune.main(argument), retrain.main(argument)\n"
        )
        self.run("dvc", "commit", "--force", "--quiet", *(target for name in names for target in self.trained(name)))

    def trained(self, name: str) -> list[str]:
        """The targets of an experiment's stages that come before its tables and figures."""
        stages = YAML(typ="safe").load((self.folder / f"experiments/{name}/dvc.yaml").read_text())["stages"]
        return [f"experiments/{name}/dvc.yaml:{stage}" for stage in stages if stage not in AFTER]

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
