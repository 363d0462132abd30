"""Files with a valid checksum and a content that the pipeline never writes: one sentence that names the file, or the values."""

import random
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import headline
from pipeline.claims import verdicts
from pipeline.executors import notes
from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.results import examined
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import aggregate, plot, prune, retrain
from tests import lottery, synthetic, test_integrity
from tests.torture import files as torture_files
from tests.torture import mutants

Change = Callable[[str], str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """The made-up lanes and their tables."""
    folder = tmp_path_factory.mktemp("made")
    with chdir(folder):
        found = synthetic.write()
        aggregate.main("toy")
    return folder, found


@pytest.fixture
def lanes(made: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A copy of them, as the working folder."""
    shutil.copytree(made[0], tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return made[1]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 1}, "seed is 1 instead of 2"),
        ({"round": 2}, "round is 2 instead of 1"),
        ({"arm": "other"}, "arm is 'other' instead of 'ticket'"),
        ({"draw": "x"}, "draw is 'x' instead of None"),
        ({"metric": {"name": "accuracy", "better": "x", "unit": ""}}, "`better` is 'x'"),
        ({"metric": {"name": "a b", "better": "lower", "unit": ""}}, "the metric's name is 'a b'"),
        ({"metric": {"name": "accuracy", "better": "higher", "unit": "\ud800"}}, "which metric"),
        ({"density": 10**400}, "density is 1000"),
        ({"early_stop_iteration": 10**30}, "early_stop_iteration is 1000"),
        ({"seed": [0] * 5000}, "…"),
    ],
)
def test_the_lane_of_another_place_or_with_other_kinds_of_values(lanes: list[Path], changes: Any, problem: str) -> None:
    path = lanes[3] / "lane.json"
    store.write_json(path, store.read_json(path) | changes)
    with pytest.raises(UserError, match=rf"^{path} is damaged .*; delete it and run `dvc repro .*:retrain@r01`$") as told:
        aggregate.main("toy")
    assert problem in str(told.value) and len(str(told.value)) < 500


def edit(path: Path, change: Change) -> Path:
    store.write_table(path, change(store.read_table(path)))
    return path


def test_half_a_character_that_nothing_reads_does_no_harm(lanes: list[Path]) -> None:
    path = lanes[3] / "lane.json"
    expected = places.rounds("toy").read_bytes()
    store.write_json(path, store.read_json(path) | {"recipe_key": "\ud800"})
    aggregate.main("toy")
    assert places.rounds("toy").read_bytes() == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: f'"{text}', "EOF inside string"),
        (lambda text: text.replace("\n500,", "\n500,1,"), "Length of header|Expected 6 fields"),
        (lambda text: text.replace("\n", ",x\n"), "it has a column 'x'"),
        (lambda text: text.replace("\n500,", "\n,"), "a number is missing in the column iteration"),
        (lambda text: text.replace("\n500,", f"\n{'9' * 400},"), "the column iteration has text"),
        (lambda text: "\n\n", "No columns to parse|no column iteration"),
    ],
)
def test_a_history_that_is_no_table_of_numbers(lanes: list[Path], change: Change, problem: str) -> None:
    path = edit(lanes[3] / "history.csv", change)
    with pytest.raises(UserError, match=rf"^{path} is damaged \(.*({problem}).*`dvc repro .*:retrain@r01`$"):
        aggregate.main("toy")


@pytest.mark.parametrize(
    ("path", "change", "problem"),
    [
        (places.rounds, lambda text: text.split("\n")[0] + "\n", "no rows"),
        (places.rounds, lambda text: text.replace(",ticket,", ",,"), "the column arm has|no lane of the arm|no round"),
        (places.rounds, lambda text: text.replace("accuracy,higher,fraction", ",,", 1), "should have one metric"),
        (places.rounds, lambda text: text.replace("\n1,0.6,", "\n1,,", 1), "a number is missing in the column density"),
        (places.curves, lambda text: text.split("\n")[0] + "\n", "no rows"),
        (places.curves, lambda text: re.sub(r"(?m)^ticket,2.*\n", "", text), "no round 2"),
        (places.examined, lambda text: text.split("\n")[0] + "\n", "no rows"),
        (places.profiles, lambda text: text.split("\n")[0] + "\n", "no rows"),
        (places.profiles, lambda text: text.replace("initial_weights", "other"), "no initial_weights of dense in round 0"),
    ],
)  # fmt: skip
def test_a_table_that_lacks_something(lanes: list[Path], path: Callable[[str], Path], change: Change, problem: str) -> None:
    file = edit(path("toy"), change)
    with pytest.raises(UserError, match=rf"{file}|reports/toy/rounds\.csv: the table of {file.stem}") as told:
        plot.main("toy")
    assert any(part in str(told.value) for part in problem.split("|"))
    assert "dvc repro" in str(told.value) and "\n" not in str(told.value)


def test_a_table_whose_text_is_numbers(lanes: list[Path]) -> None:
    path = edit(places.examined("toy"), lambda text: text.replace("spread", "3"))
    with pytest.raises(UserError, match=rf"{path} is damaged \(the column quantity has numbers\)"):
        examined.read("toy")


ROW = dict.fromkeys(verdicts.NUMBERS) | {"verdict": "holds", "effect": 0.1, "n": 3, "unit": "fraction"}


ODD_ROWS: list[Any] = [
    *(3, None, [], {}, {"verdict": "perhaps"}, {"verdict": "void"}, {"verdict": "holds"}),
    *(ROW | change for change in ({"effect": "x"}, {"effect": 10**400}, {"n": True}, {"unit": None}, {"unit": "\ud800"})),
]


@pytest.mark.parametrize("row", ODD_ROWS)
def test_verdicts_of_another_form(row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = {"one/toy": ROW, "two/toy": {"verdict": "void", "reason": "so"}, "three/toy": ROW | {"effect": None}}
    store.write_json(places.ledger(), rows)
    assert verdicts.rows(places.MAIN) == rows
    store.write_json(places.ledger(), rows | {"four/toy": row})
    with pytest.raises(UserError, match=r"effects.json is damaged \(the row of four/toy is not one .*`dvc repro claims`$"):
        verdicts.rows(places.MAIN)


@pytest.mark.parametrize("note", [{}, {"finished": []}, {"finished": 9e9, "training_seconds": "x"}, {"finished": "x"}])
def test_a_note_of_timings_without_timings_counts_as_missing(lanes: list[Path], note: Any) -> None:
    notes.write(paths.runtime("toy", "r01"), {"finished": 9e9, "training_seconds": 7.0})
    notes.write(paths.runtime("toy", "r02"), note)
    assert "7 s" in headline._split(config.load(), 1.0)
    assert "of 1 items" in headline._split(config.load(), 1.0)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from([*test_integrity.KINDS]), seed=st.integers(0, 10**6), is_forged=st.booleans())
def test_any_mutant_is_what_was_written_or_one_sentence(kind: str, seed: int, is_forged: bool) -> None:
    """The small version of tests/torture/files.py."""
    name, write, read = test_integrity.KINDS[kind]
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        path = Path(name)
        write(path)
        whole = path.read_bytes()
        expected = read(path)
        if is_forged:
            what = mutants.forged(path, draw)
        else:
            what, content = mutants.damaged(whole, whole[::-1], draw)
            path.write_bytes(content)
        found = test_integrity.outcome(kind, path, path.read_bytes())
    assert is_forged or repr(found) in (repr(None), repr("set aside"), repr(expected)), what


def test_all_kinds_of_files_are_tried_by_the_torture() -> None:
    """tests/torture/files.py itself, which reads each kind of file once and a few mutants of them."""
    found = torture_files.rows(count=24, seed=1)
    assert sum(row.tries for row in found) == 24


def test_the_outcome_of_the_made_up_lanes_is_read(lanes: list[Path]) -> None:
    """The checks above refuse nothing that the stages write."""
    outcome = Outcome.read("toy", synthetic.MARGIN, with_curves=True).with_examined("toy", with_profiles=True)
    assert len(outcome.lanes) == len(lanes)


def test_a_stage_names_the_command_that_makes_a_damaged_input(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())):
        lottery.run("toy", "r00", "r01")
        for path, stage, item, made_by in (
            (paths.mask("toy", "r01", 1), retrain, "r01", "retrain@r01"),
            (LaneFiles(paths.lanes("toy", "r01") / "seed1").weights_file("trained"), prune, "r02", "retrain@r01"),
            (LaneFiles(paths.lanes("toy", "r00") / "seed1").weights_file("rewind"), retrain, "r01", "train_dense"),
        ):
            whole = path.read_bytes()
            path.write_bytes(whole[:-1])
            command = f"`dvc repro {places.chain('toy')}:{made_by}`"
            with pytest.raises(UserError, match=rf"^{path} is damaged .*; delete it and run {command}$"):
                stage.main(f"toy/{item}")
            path.write_bytes(whole)
