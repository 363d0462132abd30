"""`python -m stages.diff` in real repositories of git: what changed, and whether it is more than noise."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests import lottery, synthetic
from tests.synthetic import trio
from tests.versioned import Lanes, Versioned, rows

DENSE, TICKET, REINIT = "accuracy, dense", "accuracy, ticket at 21.6%", "accuracy, reinit at 21.6%"


@pytest.fixture
def repository(tmp_path: Path) -> Versioned:
    """One commit, with settings and results."""
    found = Versioned(tmp_path / "repository")
    found.settings()
    found.results(lanes())
    found.commit()
    return found


def lanes(ticket: float = 0.95, spread: float = 0.0005, **changes: Any) -> Lanes:
    """Three rounds of tickets; 0.6 ** 3 = 21.6% of the weights are near the density at which the paper compares."""
    tickets = [lane for k in (1, 2, 3) for lane in trio("ticket", k, ticket, spread, **changes)]
    return [*trio("dense", 0, 0.96), *tickets, *trio("reinit", 3, 0.93, 0.001, draw=1)]


def values(found: Lanes, arm: str) -> list[float]:
    return [lane["accuracy_at_early_stop"] for lane in found if lane["arm"] == arm and lane["round"] in (0, 3)]


def test_without_a_change_nothing_is_said_to_have_changed(repository: Versioned) -> None:
    assert repository.diff() == (
        f"From HEAD ({repository.git('rev-parse', 'HEAD')[:7]}) to working tree\n\n"
        "The settings are the same.\n\nThe code is the same.\n\n1 experiment has the same results.\n"
    )


def test_a_change_beyond_the_noise_and_one_within_it(repository: Versioned) -> None:
    repository.settings(rewind="5it")
    after = lanes(ticket=0.955, spread=0.001)
    rng = np.random.default_rng(0)
    for lane in after:
        if lane["arm"] == "reinit":
            lane["accuracy_at_early_stop"] += float(rng.normal(0, 0.01))
    repository.results(after)
    found = rows(repository.diff("--markdown"))
    assert found["experiments.toy.rewind"] == ["0it", "5it"]
    for row, arm, digits in ((TICKET, "ticket", "better"), (REINIT, "reinit", "within the noise")):
        test = stats.ttest_rel(values(after, arm), values(lanes(), arm))
        low, high = (100 * bound for bound in test.confidence_interval(0.95))
        assert found[row][3:] == [f"{low:+.2f} to {high:+.2f} points", digits]
    assert found[TICKET][:3] == ["95.00%", "95.50%", "+0.50 points"]
    assert found[DENSE] == ["96.00%", "96.00%", "+0.00 points", "–", "the same in every seed"]
    assert found["smallest winning density"] == ["none", "none", "–", "–", "the same"]


@pytest.mark.parametrize(
    ("metric", "verdict", "change"),
    [(synthetic.ACCURACY, "worse", "-50.00 points"), (synthetic.RMSE, "better", "-0.5")],
)
def test_better_is_what_the_metric_says(metric: dict[str, str], verdict: str, change: str, repository: Versioned) -> None:
    for value, spread in ((0.9, 0.0005), (0.4, 0.001)):
        repository.commit()
        three = trio("ticket", 3, value, spread, metric=metric)
        repository.results([*trio("dense", 0, 0.96, metric=metric), *three])
    found = rows(repository.diff("--markdown"))
    name = "accuracy" if metric is synthetic.ACCURACY else "RMSE"
    assert (found[f"{name}, ticket at 21.6%"][2], found[f"{name}, ticket at 21.6%"][-1]) == (change, verdict)


def test_an_early_stop_that_is_cut_off_is_not_compared(repository: Versioned) -> None:
    repository.results(lanes(stop=synthetic.LATER))
    found = rows(repository.diff("--markdown"))
    assert found["early stop, ticket at 21.6%"] == ["550", "≥5,000", "–", "–", "unknown: cut off"]
    assert found["early stop, dense"][-1] == "the same in every seed"
    assert found["smallest winning density"][-1] != "unknown: cut off"
    repository.results([lane | ({"early_stop_iteration": synthetic.LATER} if lane["arm"] == "dense" else {}) for lane in lanes()])
    assert rows(repository.diff("--markdown"))["smallest winning density"][-1] == "unknown: cut off"
    repository.results(
        [lane | ({"early_stop_iteration": 50 * lane["seed"]} if lane["arm"] == "ticket" else {}) for lane in lanes()]
    )
    found = rows(repository.diff("--markdown"))
    assert found["early stop, ticket at 21.6%"] == ["550", "100", "-450", "-574 to -326", "sooner"]


def test_too_few_common_seeds_show_nothing(repository: Versioned) -> None:
    repository.results([lane for lane in lanes(ticket=0.99) if lane["seed"] < 3])
    found = rows(repository.diff("--markdown"))
    assert found[TICKET][2:] == ["+4.00 points", "–", "unknown: 2 common seeds, 3 are needed"]
    assert found["smallest winning density"] == ["none", "unknown", "–", "–", "changed"]
    repository.results([lane | {"seed": lane["seed"] + 5} for lane in lanes(ticket=0.99)])
    found = rows(repository.diff("--markdown"))
    assert found[TICKET] == ["95.00%", "99.00%", "–", "–", "unknown: 0 common seeds, 3 are needed"]


def test_a_network_that_only_one_of_them_has(repository: Versioned) -> None:
    repository.results([lane for lane in lanes() if lane["arm"] != "reinit"])
    assert rows(repository.diff("--markdown"))[REINIT] == ["93.00%", "–", "–", "–", "only in one of them"]


def test_other_rounds_are_compared_where_they_are_nearest_to_21_percent(repository: Versioned) -> None:
    repository.results([lane | {"density": 0.5 ** lane["round"]} for lane in lanes(ticket=0.955, spread=0.001)])
    text = repository.diff("--markdown")
    assert rows(text)["accuracy, ticket at 21.6% → 25.0%"][-1] == "better"
    assert "smallest winning density" in text


def test_two_revisions_and_an_experiment_of_dvc_and_nothing_is_checked_out(repository: Versioned) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.settings(rewind="5it")
    repository.results(lanes(ticket=0.955, spread=0.001))
    second = repository.commit()
    repository.git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/tried-it", second)
    repository.git("reset", "--quiet", "--hard", first)
    repository.settings(rewind="7it")
    before = repository.files()
    expected = rows(repository.diff(first, second, "--markdown"))
    assert expected[TICKET][-1] == "better"
    assert rows(repository.diff("HEAD", "tried-it", "--markdown"))[TICKET] == expected[TICKET]
    assert rows(repository.diff("tried-it", "--markdown"))[TICKET][-1] == "worse"
    assert rows(repository.diff("tried-it", "--markdown"))["experiments.toy.rewind"] == ["5it", "7it"]
    assert repository.files() == before


def test_a_repository_in_a_folder_of_another_one(repository: Versioned) -> None:
    outer = Versioned(repository.folder / "outer")
    inner = Versioned(outer.folder / "inner")
    (inner.folder / ".git").rename(repository.folder / "unused")
    inner.settings()
    inner.results(lanes())
    (inner.folder / "stages").mkdir()
    (inner.folder / "stages/mine.py").write_text("1\n")
    outer.commit()
    inner.results(lanes(ticket=0.955, spread=0.001))
    (inner.folder / "stages/mine.py").write_text("2\n")
    text = inner.diff("--markdown")
    assert rows(text)[TICKET][-1] == "better"
    assert "differs in 1 file: `stages/mine.py`." in text


def test_code_that_differs_is_named(repository: Versioned) -> None:
    (repository.folder / "pipeline").mkdir()
    for number in range(6):
        (repository.folder / f"pipeline/part{number}.py").write_text("")
    assert "The code differs in 6 files: pipeline/part0.py, " in repository.diff()
    assert repository.diff().count("part") == 5
    repository.commit()
    assert "The code is the same." in repository.diff()
    assert "The code differs in 6 files" in repository.diff("HEAD~1", "HEAD")


def test_settings_are_compared_by_key_wherever_they_stand(repository: Versioned) -> None:
    changed = lottery.experiment(seeds=[1, 2, 3], model={"name": "lenet", "hidden": [8, 6], "note": "a|b<c" * 40})
    changed["arms"].pop("reinit")
    repository.settings(lottery.params(other=lottery.experiment()) | {"margin": 0.1})
    (repository.folder / "experiments").mkdir()
    lottery.write_params(repository.folder / "experiments/more.yaml", {"experiments": {"toy": changed}})
    found = rows(repository.diff("--markdown"))
    assert found["report"] == ['["toy"]', '["other"]']
    assert found["margin"] == ["0.05", "0.1"]
    assert found["experiments.toy.seeds"] == ["[1, 2]", "[1, 2, 3]"]
    assert found["experiments.toy.arms.reinit"] == ['{"draws": 2, "rounds": [3]}', "–"]
    assert found["experiments.toy.model.note"][0] == "–"
    assert re.match(r"a\\\|b&lt;c.* … ", found["experiments.toy.model.note"][1])
    assert found["experiments.other"][0] == "–"
    assert not [key for key in found if key.startswith(("experiments.other.", "experiments.toy.training"))]


def test_the_tables_fit_a_terminal_and_a_page(repository: Versioned) -> None:
    repository.settings(rewind="5it")
    repository.results(lanes(ticket=0.955, spread=0.001, stop=synthetic.LATER))
    tables = [line for line in repository.diff().splitlines() if line.startswith(("accuracy", "early stop", "---"))]
    assert len(tables) > 6
    assert max(map(len, tables)) <= 115
    lines = [line for line in repository.diff("--markdown").splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {4, 7}


def test_a_page_draws_the_tickets_of_both_and_the_dense_network(repository: Versioned) -> None:
    after = [lane | {"accuracy_at_early_stop": 0.955} if lane["arm"] == "ticket" else lane for lane in lanes()]
    repository.results([*after, *trio("ticket", 4, 0.9)])  # a round that only one of them has
    text = repository.diff("HEAD", "--markdown")
    (block,) = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert re.findall(r"line \[(.*)\]", block) == ["96, 96, 96", "95, 95, 95", "95.5, 95.5, 95.5"]
    assert 'x-axis "weights left (%)" ["60.0", "36.0", "21.6"]' in block
    low, high = map(float, re.findall(r'"test accuracy \(%\)" (\S+) --> (\S+)', block)[0])
    assert low < 95 and high > 96
    assert "before in blue, after in orange; in grey, that of the dense network after" in text
    assert "mermaid" not in repository.diff()


def test_one_common_round_is_no_line(repository: Versioned) -> None:
    repository.results([lane for lane in lanes(ticket=0.955) if lane["round"] in (0, 3)])
    assert "mermaid" not in repository.diff("--markdown")


def test_a_whole_hash_is_shortened_where_it_is_a_heading(repository: Versioned) -> None:
    repository.results(lanes(ticket=0.955, spread=0.001))
    whole = repository.git("rev-parse", "HEAD")
    text = repository.diff(whole, "--markdown")
    assert whole[:7] in text and whole not in text
