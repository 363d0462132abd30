"""What `dvc repro` would run again after an edit: whatever an edit can change, and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.settings import places
from pipeline.values import plugins
from tests import lottery, planted
from tests.scratch import Scratch

TOY = lottery.experiment(
    arms={
        "one_shot": {"rounds": [2]},
        "reinit": {"rounds": [1, 2], "draws": 1},
        "noise": {"name": "mine.arms:noise", "rounds": [2], "sigma": 0.5},
    },
    data={"name": "mine.data:points", "validation": 30, "width": 4},
    model={"name": "mine.nets:Net", "units": 5},
    seeds=[1],
)
TOY["pruning"] |= {"rounds": 2, "criterion": {"name": "mine.criteria:by_size", "power": 1.0}, "rates": {"fc": 0.4}}
PLAIN = lottery.experiment(arms={"one_shot": {"rounds": [2]}, "reinit": {"rounds": [2], "draws": 1}}, seeds=[1])
PLAIN["pruning"] |= {"rounds": 2}
PARAMS = lottery.params(plain=PLAIN, own=TOY)

NETS = """
from torch import nn
from mine.layers import activation

class Net(nn.Module):
    def __init__(self, shape, outputs, units=3):
        super().__init__()
        self.inner, self.outer = nn.Linear(shape[0], units), nn.Linear(units, outputs)
        self.activation = activation()

    def forward(self, x):
        return self.outer(self.activation(self.inner(x)))
"""
LAYERS = """
from torch import nn

def activation():
    return nn.GELU()
"""
CRITERIA = """
import numpy as np

def by_size(trained, initial, power=2.0):
    return {name: np.abs(weight) ** power for name, weight in trained.items()}
"""
ARMS = """
from pipeline.domain.arms import Arm

def noise(sigma=1.0):
    def weights(rewound, rng):
        return {name: w + sigma * rng.standard_normal(w.shape).astype(w.dtype) for name, w in rewound.items()}
    return Arm(masks_of="ticket", weights=weights)
"""
DATA = """
import numpy as np
from pipeline.domain.bundle import Bundle

def points(width=3):
    draw = np.random.default_rng(0)
    labels = np.arange(160) % 3
    inputs = draw.standard_normal((160, width)).astype(np.float32) + labels[:, None]
    return Bundle(inputs[:120], labels[:120], inputs[120:], labels[120:], scale=np.ones(1, np.float32))
"""
PACKAGE = {"__init__": "", "nets": NETS, "layers": LAYERS, "criteria": CRITERIA, "arms": ARMS, "data": DATA}


def write_package(folder: Path) -> None:
    (folder / "mine").mkdir(parents=True)
    for name, text in PACKAGE.items():
        (folder / "mine" / f"{name}.py").write_text(text)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Two experiments whose stages DVC takes for run: one with plug-ins of this repository, one with a package from outside."""
    outside = tmp_path_factory.mktemp("outside")
    write_package(outside)
    made = Scratch(tmp_path_factory.mktemp("scratch") / "repository", PARAMS, outside)
    made.write_chains("plain", "own")
    made.commit("plain", "own")
    assert made.changed("plain", "own") == [set(), set()]
    return made


@pytest.fixture
def scratch(committed: Scratch, tmp_path: Path) -> Iterator[Scratch]:
    """The same to edit; the code, params.yaml and DVC files are put back afterwards."""
    kept = ("pipeline", "stages", "params.yaml", "dvc.yaml", "experiments")
    for name in kept:
        source = committed.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    yield committed
    for name in kept:
        target = committed.folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if (tmp_path / name).is_dir() else shutil.copy)(tmp_path / name, target)
    write = committed.folder.parent.parent  # the package outside is put back by the tests that edit it
    assert write.exists()


NEW_ARM = """
from pipeline.domain.arms import Arm, rewound

def new():
    return Arm(prunes="dense", weights=rewound)
"""
NEW_FILES = {
    "an arm": ("pipeline/arms/new.py", NEW_ARM),
    "a model": ("pipeline/models/new.py", "def new(shape, outputs):\n    raise ValueError\n"),
    "a criterion": ("pipeline/criteria/new.py", "def new(trained):\n    return trained\n"),
    "a data set": ("pipeline/data/new.py", "def new():\n    raise ValueError\n"),
    "a task": ("pipeline/tasks/new.py", "def new():\n    raise ValueError\n"),
    "an init": ("pipeline/inits/new.py", "def new(module):\n    pass\n"),
    "an executor": ("pipeline/executors/new.py", "def run(work, groups, report, stop):\n    pass\n"),
    "a figure": ("pipeline/figures/new.py", "NEW = 1\n"),
}  # fmt: skip


@pytest.mark.slow
def test_new_files_retrain_nothing(scratch: Scratch) -> None:
    for path, text in NEW_FILES.values():
        (scratch.folder / path).parent.mkdir(exist_ok=True)
        (scratch.folder / path).write_text(text)
    scratch.write_chains()
    assert scratch.changed("plain", "own") == [set(), set()]


ABOVE = {"values", "domain", "training", "files", "run", "scoring", "transfer", *plugins.KINDS}


def test_an_edit_of_whatever_stands_below_training_retrains_nothing(scratch: Scratch) -> None:
    """Labels, report paths, figures, sentences, executors, checks, the writer of DVC's files, MLflow."""
    edited = 0
    for file in (scratch.folder / "pipeline").rglob("*.py"):
        room = file.relative_to(scratch.folder / "pipeline").parts[0]
        if room not in ABOVE and file != scratch.folder / "pipeline/__init__.py":
            file.write_text(file.read_text() + "\nEDITED = True\n")
            edited += 1
    assert edited > 20
    scratch.write_chains()
    assert scratch.changed("plain", "own") == [set(), set()]


@pytest.mark.slow
def test_settings_of_figures_reports_and_claims_retrain_nothing(scratch: Scratch) -> None:
    claims = planted.claim(experiments=["plain"], claim="Another claim.")
    lottery.write_params(scratch.folder / places.CLAIMS, {"claims": [claims]})
    content = PARAMS | {"figures": {"densities": [0.5], "dpi": 70}, "margin": 0.1, "reports": {"both": ["plain", "own"]}}
    scratch.write_params(content)
    scratch.write_chains()
    assert scratch.changed("plain", "own") == [set(), set()]


@pytest.mark.slow
def test_another_arm_of_an_experiment_trains_that_arm_only(scratch: Scratch) -> None:
    arms = PLAIN["arms"] | {"random_mask": {"rounds": [2]}, "fine": {"name": "one_shot", "rounds": [1]}}
    scratch.write_params(PARAMS | {"experiments": {"plain": PLAIN | {"arms": arms}, "own": TOY}})
    scratch.write_chains()
    assert scratch.changed("plain") == [{"control_random_mask@r02", "prune_fine@r01", "retrain_fine@r01"}]


def test_an_edit_of_training_retrains_everything(scratch: Scratch) -> None:
    scratch.edit("pipeline/training/trainer.py", "class Trainer", "EDITED = True\n\n\nclass Trainer")
    stages = {"train_dense", "retrain@r01", "retrain@r02", "retrain_one_shot@r02", "control_reinit@r02"}
    assert scratch.changed("plain") == [stages]


def test_an_edit_of_an_arm_makes_that_arm_again(scratch: Scratch) -> None:
    scratch.edit("pipeline/arms/one_shot.py", "def one_shot", "EDITED = True\n\n\ndef one_shot")
    assert scratch.changed("plain") == [{"prune_one_shot@r02", "retrain_one_shot@r02"}]


def test_an_edit_of_a_criterion_prunes_again(scratch: Scratch) -> None:
    scratch.edit("pipeline/criteria/magnitude.py", "def magnitude", "EDITED = True\n\n\ndef magnitude")
    assert scratch.changed("plain", "own") == [{"prune@r01", "prune@r02", "prune_one_shot@r02"}, set()]


OWN_TRAINING = {"train_dense", "retrain@r01", "retrain@r02", "retrain_one_shot@r02",
                "control_reinit@r01", "control_reinit@r02", "control_noise@r02"}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "old", "new", "again"),
    [
        pytest.param("nets", "units=3", "units=4", OWN_TRAINING, marks=pytest.mark.slow),
        pytest.param("layers", "GELU", "Tanh", OWN_TRAINING, marks=pytest.mark.slow),  # what the model imports
        pytest.param(
            "criteria", "power=2.0", "power=3.0", {"prune@r01", "prune@r02", "prune_one_shot@r02"}, marks=pytest.mark.slow
        ),
        ("arms", "sigma * rng", "2 * sigma * rng", {"control_noise@r02"}),
    ],
)
def test_an_edit_of_code_outside_the_repository_is_seen(
    scratch: Scratch, module: str, old: str, new: str, again: set[str]
) -> None:
    outside = Path(scratch.environment["PYTHONPATH"].split(":")[-1])
    file = outside / "mine" / f"{module}.py"
    text = file.read_text()
    assert old in text
    try:
        file.write_text(text.replace(old, new))
        assert scratch.changed("own", "plain") == [again, set()]
    finally:
        file.write_text(text)
