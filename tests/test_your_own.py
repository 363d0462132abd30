"""docs/your_own.md, run as it stands: its files are written, its commands executed, its table of edits compared."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import lottery
from tests.scratch import Scratch

PAGE = (lottery.ROOT / "docs/your_own.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [text for language, text in BLOCKS if language == "bash"]
EDITS = {
    file: set(re.findall(r"`(.*?)`", stages)) for file, stages in re.findall(r"^\| `(mine/.*?)` \| (.*) \|$", PAGE, re.MULTILINE)
}


@dataclass(frozen=True)
class Followed:
    """A repository beside the package, and the stages that the last commands ran."""

    scratch: Scratch
    research: Path
    ran: list[str]

    def follow(self, commands: str) -> list[str]:
        output = self.scratch.run("bash", "-ec", commands).stdout
        return [line.removeprefix("> python -m stages.") for line in output.splitlines() if line.startswith("> ")]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("own")
    scratch, research = Scratch(folder / "repository", lottery.params(plain=lottery.experiment())), folder / "research"
    for language, text in BLOCKS:
        if language != "bash":
            name = text.splitlines()[0].removeprefix("# ")
            file = (research if name.startswith("mine/") else scratch.folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    scratch.environment["PYTHONPATH"] = ""  # the page sets it
    ran = Followed(scratch, research, []).follow(COMMANDS[0])
    scratch.environment["PYTHONPATH"] = str(research)
    return Followed(scratch, research, ran)


@pytest.mark.slow
def test_the_page_runs_from_its_files_to_the_table_of_results(followed: Followed) -> None:
    assert followed.ran[:3] == ["download mine_data_surface", "train_dense mine", "prune mine/r01"]
    after = {"retrain mine/r01", "control mine/shrunk_r01", "aggregate mine", "plot mine"}
    assert {*followed.ran[3:]} == after
    with (followed.scratch.folder / "reports/mine/rounds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["arm"], row["seed"]) for row in rows] == [(a, s) for a in ("dense", "ticket", "shrunk") for s in ("1", "2")]
    assert {(row["metric"], row["better"]) for row in rows} == {("mean_error", "lower")}
    assert all(float(row["final_mean_error"]) < 0.3 for row in rows)  # the mean distance of the heights from 0


@pytest.mark.slow
def test_the_table_says_which_stages_an_edit_runs_again(followed: Followed) -> None:
    assert {*EDITS} == {f"mine/{part}.py" for part in ("model", "task", "criterion", "arm")}
    assert followed.scratch.changed("mine") == [set()]
    for name, stages in EDITS.items():
        file = followed.research / name
        before = file.read_text()
        file.write_text(f"{before}\nEDITED = True\n")
        assert followed.scratch.changed("mine") == [stages], name
        file.write_text(before)


@pytest.mark.slow
def test_the_edit_of_the_page_trains_the_arm_again_and_nothing_else(followed: Followed) -> None:
    arm = followed.research / "mine/arm.py"
    before = arm.read_text()
    ran = followed.follow(COMMANDS[1])
    assert arm.read_text() != before
    assert ran[0] == "control mine/shrunk_r01"
    assert {*ran[1:]} == {"aggregate mine", "plot mine"}
