"""Bad input of `python -m stages.diff`, which gets one sentence: as an error, or as a note when the rest can be compared."""

from pathlib import Path

import pytest

from tests import lottery
from tests.test_compare import lanes
from tests.versioned import Versioned, rows


@pytest.fixture
def repository(tmp_path: Path) -> Versioned:
    found = Versioned(tmp_path / "repository")
    found.settings()
    found.results(lanes())
    found.verdicts({"one/toy": "holds", "two/toy": "undecided"})
    found.commit()
    return found


def refused(repository: Versioned, *arguments: str) -> str:
    with pytest.raises(SystemExit) as error:
        repository.diff(*arguments)
    text = str(error.value.code)
    assert text.startswith("error: ")
    assert "\n" not in text
    return text


def notes(repository: Versioned, *arguments: str) -> list[str]:
    return [line.removeprefix("note: ") for line in repository.diff(*arguments).splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize(
    "name", ["nothing", "HEAD~1", "--help", "-x", "", "a b", "HEAD:params.yaml", "*", "main..HEAD", "^main", "\n"]
)
def test_no_such_revision(name: str, repository: Versioned) -> None:
    assert refused(repository, "--", name).startswith(f"error: git knows no revision {name!r}; it should be one like HEAD~1")
    assert refused(repository, "--", "HEAD", name).startswith(f"error: git knows no revision {name!r}; ")


def test_a_folder_without_git_and_a_repository_without_a_commit(tmp_path: Path, repository: Versioned) -> None:
    empty = Versioned(tmp_path / "empty")
    empty.settings()
    assert "git knows no revision 'HEAD'" in refused(empty)
    (empty.folder / ".git").rename(tmp_path / "unused")
    assert refused(empty) == "error: this folder is in no repository of git, so there is no revision to compare with"


def test_a_machine_without_git(repository: Versioned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert refused(repository) == "error: git is not installed, but other revisions are read through it"


def test_settings_that_are_missing_or_not_yaml(repository: Versioned) -> None:
    (repository.folder / "params.yaml").write_text("a: [")
    repository.commit()
    assert refused(repository, "HEAD~1").startswith("error: working tree: params.yaml is not valid YAML")
    assert refused(repository, "HEAD", "HEAD~1").startswith("error: HEAD: params.yaml is not valid YAML")
    (repository.folder / "params.yaml").unlink()
    repository.commit()
    assert refused(repository, "HEAD") == "error: HEAD has no params.yaml, so it cannot be compared"
    assert "working tree: params.yaml is missing" in refused(repository, "HEAD~2")


def test_an_experiment_with_results_in_only_one_of_them(repository: Versioned) -> None:
    repository.results(lanes(), "more")
    assert notes(repository) == ["more: only working tree has results of it"]
    repository.commit()
    (repository.folder / "reports/more/rounds.csv").unlink()
    expected = "more: only HEAD has results of it; `dvc repro experiments/more/dvc.yaml` makes those of the working tree"
    assert notes(repository) == [expected]
    assert notes(repository, "HEAD", "HEAD~1") == ["more: only HEAD has results of it"]
    assert "1 experiment has the same results." in repository.diff()


def test_damaged_tables_are_named_and_the_others_compared(repository: Versioned) -> None:
    repository.results(lanes(), "more")
    repository.commit()
    repository.damage("more")
    repository.results(lanes(ticket=0.96, spread=0.001))
    made = "; delete it and run `dvc repro experiments/more/dvc.yaml:aggregate`"
    damaged = "reports/more/rounds.csv is damaged (its checksum is that of another content)"
    assert notes(repository) == [f"more: working tree: {damaged}{made}"]
    assert rows(repository.diff("--markdown"))["accuracy, ticket at 21.6%"][-1] == "better"
    repository.commit()
    assert notes(repository, "HEAD", "HEAD~1") == [f"more: HEAD: {damaged}"]  # nobody can delete it there
    assert notes(repository, "HEAD") == []  # the same damage in both is no difference


def test_other_metrics_and_a_margin_that_is_none(repository: Versioned) -> None:
    after = lanes()
    for lane in after:
        lane["metric"] = {"name": "rmse", "better": "lower", "unit": ""}
        lane |= {"rmse_at_early_stop": 1.0, "final_rmse": 1.0}
    repository.results(after)
    assert notes(repository) == ["toy: the metric was accuracy and is rmse, so no numbers can be compared"]
    repository.results(lanes(ticket=0.5))
    repository.settings(lottery.params(toy=lottery.experiment()) | {"margin": "wide"})
    expected = "toy: working tree: params.yaml has no margin between 0 and 1, which says what counts as no worse"
    assert notes(repository) == [expected]


def test_results_that_may_be_out_of_date(repository: Versioned) -> None:
    repository.settings(rewind="5it")
    (note,) = notes(repository)
    assert note.startswith("toy: its settings differ and its results do not; ")
    assert note.endswith("run `dvc repro experiments/toy/dvc.yaml`")


def test_another_margin_is_a_change_of_the_winner_alone(repository: Versioned) -> None:
    repository.settings(lottery.params(toy=lottery.experiment()) | {"margin": 0.9})
    found = rows(repository.diff("--markdown"))
    assert found["smallest winning density"] == ["none", "21.6%", "–", "–", "changed"]
    assert {found[row][-1] for row in found if row.startswith(("accuracy", "early"))} == {"the same in every seed"}


def test_verdicts_on_claims(repository: Versioned) -> None:
    repository.verdicts({"one/toy": "does not hold", "two/toy": "undecided"})
    repository.verdicts({"three/toy": "holds"}, "further")
    found = rows(repository.diff("--markdown"))
    assert found["main: one/toy"] == ["holds", "does not hold"]
    assert found["further: three/toy"] == ["–", "holds"]
    assert "main: two/toy" not in found
    (repository.folder / "reports/claims.json").write_text("[]")
    assert notes(repository) == ["working tree: reports/claims.json is damaged; `dvc repro claims` makes it"]
