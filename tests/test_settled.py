"""The checkpoints of finished items: they outlive a DVC that is killed before it notes the item, and no longer."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.executors import notes, settled, waiting
from pipeline.settings import places
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from stages import train_dense
from tests import lottery

PARAMS = lottery.params(toy=lottery.experiment(), other=lottery.experiment())
LOCK = places.chain("toy").with_name("dvc.lock")


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The lanes of an item that was trained under DVC, which has not noted it yet."""
    with lottery.repository(tmp_path, PARAMS):
        monkeypatch.setenv(waiting.UNDER_DVC, "train_dense")
        train_dense.main("toy")
        yield lanes()


def lanes() -> dict[str, bytes]:
    return lottery.files(paths.lanes("toy", "r00"))


def checkpoints() -> list[Path]:
    return list(paths.CHECKPOINTS.glob("*.safetensors"))


def test_an_item_that_dvc_has_not_noted_is_not_trained_again(trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(checkpoints()) == 2
    for file in sorted(paths.lanes("toy", "r00").rglob("*"), reverse=True):  # DVC removes a stage's outputs before it runs
        file.unlink() if file.is_file() else file.rmdir()
    monkeypatch.setattr(Trainer, "_to_next_evaluation", None)  # nothing is trained
    train_dense.main("toy")
    assert lanes() == trained


def test_an_item_that_dvc_has_noted_is_trained_anew_when_it_is_forced(trained: dict[str, bytes]) -> None:
    """Otherwise a repetition would show nothing."""
    kept = {path: path.stat().st_mtime_ns for path in checkpoints()}
    LOCK.write_text("schema: '2.0'\n")
    os.utime(LOCK, ns=(2**62, 2**62))
    settled.remove()
    assert kept
    assert not checkpoints()
    assert not list(settled.NOTES.rglob("*.json"))


def test_another_chain_s_lock_says_nothing(trained: dict[str, bytes]) -> None:
    other = places.chain("other").with_name("dvc.lock")
    other.write_text("schema: '2.0'\n")
    os.utime(other, ns=(2**62, 2**62))
    LOCK.write_text("schema: '2.0'\n")
    os.utime(LOCK, ns=(1, 1))
    train_dense.main("other")
    assert len(checkpoints()) == 4


def test_an_item_that_is_trained_again_keeps_its_checkpoints(trained: dict[str, bytes]) -> None:
    """The note of its last end is of no use any more."""
    settled.reopen(lottery.item("toy", "r00"))
    LOCK.write_text("schema: '2.0'\n")
    os.utime(LOCK, ns=(2**62, 2**62))
    settled.remove()
    assert len(checkpoints()) == 2


def test_what_training_took_is_not_forgotten_when_nothing_is_left_to_train(trained: dict[str, bytes]) -> None:
    before = notes.read(paths.runtime("toy", "r00"))
    train_dense.main("toy")
    assert notes.read(paths.runtime("toy", "r00")) == before
    assert before["training_seconds"] > 0


def test_two_stages_that_begin_at_once_may_both_tidy_up(trained: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    LOCK.write_text("schema: '2.0'\n")
    os.utime(LOCK, ns=(2**62, 2**62))
    listed = list(settled.NOTES.glob("*/*.json"))
    settled.remove()
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(listed))
    settled.remove()
