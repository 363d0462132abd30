"""Two checkpoints are kept, and a damaged one is set aside: training goes on from the other one and ends with the same bytes."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import executors
from pipeline.files import checkpoints, store
from pipeline.run import job
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import train_dense
from tests import lottery
from tests.test_resume import PARAMS, lanes_of, one_by_one


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(bytes(content))


def _changed(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    """A state that is written as ours are, whose checksum is right."""

    def damage(path: Path) -> None:
        state = store.read_arrays(path)
        change(state)
        store.write_arrays(path, state)

    return damage


JUNK: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (_flipped, "its checksum is that of another content"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-100]), ""),
    "empty": (lambda path: path.write_bytes(b""), ""),
    "a missing key": (_changed(lambda state: state.pop("flat")), "it has no flat"),
    "no momentum": (_changed(lambda state: state.pop("optimizer.exp_avg")), "it has no optimizer.exp_avg"),
    "an unknown key": (_changed(lambda state: state.update(x=np.ones(2))), "it has x"),
    "no iteration": (_changed(lambda state: state.pop("iteration")), "after which evaluation"),
    "a wrong iteration": (_changed(lambda state: state.update(iteration=np.array(5))), "it has kept.0."),
    "between evaluations": (_changed(lambda state: state.update(iteration=np.array(7))), "after which evaluation"),
    "an iteration too late": (_changed(lambda state: state.update(iteration=np.array(20))), "after which evaluation"),
    "no history": (_changed(lambda state: state.pop("history")), "not the history"),
    "an empty history": (_changed(lambda state: state.update(history=np.zeros((1, 0, 6)))), "not the history"),
    "another history": (_changed(lambda state: state["history"].__setitem__((0, 1, 0), 6)), "of other iterations"),
    "a history without losses": (_changed(lambda state: state["history"].__setitem__((0, 1, 2), np.nan)), "not finite"),
    "no rewind point": (_changed(lambda state: state.pop("kept.0.fc1.weight")), "it has no kept.0.fc1.weight"),
    "NaN": (_changed(lambda state: state["flat"].__setitem__(3, np.nan)), "flat has values that are not finite"),
    "a wrong shape": (_changed(lambda state: state.update(flat=state["flat"][1:])), r"flat is float32 \(\d+,\) instead of"),
    "a wrong type": (_changed(lambda state: state.update(flat=state["flat"].astype(float))), "flat is float64"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The dense lanes of `toy` that were never stopped."""
    with lottery.repository(tmp_path_factory.mktemp("whole"), PARAMS):
        lottery.run("toy", "r00")
        return lanes_of("toy")


@pytest.fixture(scope="module")
def stopped_early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose dense lanes were stopped at iteration 10, after the rewind point."""
    folder = tmp_path_factory.mktemp("stopped")
    with lottery.repository(folder, PARAMS), pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "CHECKPOINT_EVERY", 0)
        _train(patch, 3)
    return folder


@pytest.fixture
def stopped(stopped_early: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it to damage."""
    shutil.copytree(stopped_early, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "CHECKPOINT_EVERY", 0)


def _train(patch: pytest.MonkeyPatch, evaluations: int) -> None:
    """Trains each lane up to so many evaluations."""
    with patch.context() as inner:
        inner.setattr(executors, "run", one_by_one(evaluations))
        with pytest.raises(KeyboardInterrupt):
            train_dense.main("toy")


BOTH = [pytest.param(junk, True, marks=() if junk == "a flipped bit" else pytest.mark.slow) for junk in JUNK]


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(("junk", "both"), [*((junk, False) for junk in JUNK), *BOTH])
def test_a_bad_checkpoint_is_set_aside_and_the_one_before_it_is_used(
    junk: str, both: bool, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    damage, problem = JUNK[junk]
    kept = sorted(path for path in paths.CHECKPOINTS.glob("*"))
    assert [path.suffix for path in kept] == [".safetensors", ".previous"] * 2
    began = [int(store.read_arrays(path)["iteration"].item()) for path in kept]
    assert began == [10, 5] * 2
    newest, previous = kept[:2]
    if both:
        previous.write_bytes(b"junk")
    damage(newest)
    capfd.readouterr()
    steps: list[int] = []
    to_next = Trainer._to_next_evaluation
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_to_next_evaluation", lambda self: steps.append(self.iteration) or to_next(self))
        _train(patch, 1)
    assert sorted(steps) == ([10] if both else [5, 10])  # a lane that starts anew is stopped at iteration 0
    said = capfd.readouterr().err
    assert said.count("warning: ") == 1 + both
    assert "Traceback" not in said
    then = "the lane goes on from the checkpoint before it"
    assert re.search(rf"warning: the checkpoint {newest} is damaged \(.*{problem}.*\) and is now .*\.bad; {then}\n", said)
    assert both == ("the lane starts anew" in said)
    assert newest.with_name(f"{newest.name}.bad").is_file()
    lottery.run("toy", "r00")
    assert lanes_of("toy") == whole
    assert not list(paths.CHECKPOINTS.glob("*"))


def test_the_previous_checkpoint_stays_until_the_new_one_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    for i in range(3):
        checkpoints.save(path, {"a": np.array(i)})
    before = lottery.files(tmp_path)
    write = store.write_arrays
    monkeypatch.setattr(store, "write_arrays", lambda path, state: write(path, state) or _flipped(path))
    with pytest.raises(UserError, match="is damaged"):
        checkpoints.save(path, {"a": np.array(9)})
    left = lottery.files(tmp_path)
    assert {name: left[name] for name in before} == before
    found: list[int] = []
    assert checkpoints.load(path, lambda state: found.append(int(state["a"])))
    assert found == [2]
