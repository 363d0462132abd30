"""The page of one experiment and the lines for the terminal say what its tables say."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import headline
from pipeline.figures.shown import Shown
from pipeline.report import findings
from pipeline.settings import config, places
from pipeline.values import paths
from tests import pages, synthetic
from tests.synthetic import LATER, RMSE, lane, trio


@pytest.fixture
def lane_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return synthetic.write()


def _page(lanes: list[dict[str, Any]]) -> str:
    return pages.markdown(config.load(), places.MAIN, {"toy": synthetic.outcome(lanes)})


def _findings(lanes: list[dict[str, Any]]) -> str:
    return "\n".join(findings.findings(synthetic.shown(lanes)))


# --- What the page says


def test_the_table_has_each_item_with_its_command(lane_folders: list[Path]) -> None:
    text = _page(synthetic.lanes())
    commands = re.findall(r"`dvc repro ([^`]+)` \|", text)
    stages = ["train_dense", *(f"retrain@r0{k}" for k in range(1, 5)), "retrain_one_shot@r03", "control_reinit@r03"]
    assert commands == [f"experiments/toy/dvc.yaml:{stage}" for stage in stages]
    assert "| 100 | dense | 2 | 650 (600–700) | 96.15 (96.10–96.20) | 96.00 |" in text
    assert "| 21.6 | random reinit | 4 | 900 (850–950) | 93.15 (93.10–93.20) | 93.00 |" in text
    assert "| accuracy at early stop (%) | final accuracy (%) |" in text
    assert "≥" not in text


def test_the_page_says_what_was_run(lane_folders: list[Path]) -> None:
    text = _page(synthetic.lanes())
    for part in ("1,000 iterations at batch size 30", "adam at learning rate 0.002", "In each of 4 rounds, magnitude pruning",
                 "layer by layer", "2 replicates", "fc 40%, output 20%", "one-shot ticket (1 round)",
                 "random reinit (1 round, 2 draws per seed)"):  # fmt: skip
        assert part in text


def test_what_is_seen_follows_the_data(lane_folders: list[Path]) -> None:
    dense: dict[str, Any] = {"stop": 1000, "value": 0.95}
    sooner: dict[str, Any] = {"stop": 500, "value": 0.96}
    later: dict[str, Any] = {"stop": 2000, "value": 0.90}
    for found, parts in (
        (sooner, ["its early stop 50% earlier than", "stop comes 50% earlier", "1.00 points higher", "A ticket wins if it is"]),
        (later, ["its early stop 100% later than", "stop comes 100% later", "5.00 points lower", "No ticket is shown"]),
    ):
        text = _page([*trio("dense", 0, **dense), *trio("ticket", 3, density=0.211, **found)])
        assert [part for part in parts if part not in text] == []


def test_ratios_are_said_to_be_of_means_and_the_best_ticket_to_be_chosen_on_the_test_images() -> None:
    text = _findings([lane("ticket", k, value=0.9 + 0.01 * k, density=0.6**k) for k in range(4)])
    assert "The best ticket of 3 rounds, chosen on the test set, is the one with 21.6% of the weights." in text
    assert "(by mean iterations)" in text


def test_ratios_of_means_with_a_lower_bound_in_them_are_said_to_be_so(lane_folders: list[Path]) -> None:
    lanes = [lane("dense", 0, seed, stop=1000) for seed in (1, 2, 3)]
    lanes += [lane("ticket", 3, seed, stop=stop, density=0.211) for seed, stop in ((1, 500), (2, 600), (3, LATER))]
    assert "(by mean iterations, some of which are lower bounds)" in _findings(lanes)
    text = _page(lanes)
    assert "103% later by mean iterations, some of which are lower bounds" in text


def test_differences_stand_beside_their_paired_intervals() -> None:
    values = {0: (0.90, 0.91, 0.92), 3: (0.921, 0.931, 0.9455)}
    three = [lane("ticket", k, seed, value=v) for k, found in values.items() for seed, v in enumerate(found)]
    smallest = next(line for line in _findings(three).splitlines() if "ticket wins" in line)
    assert "keeps 21.6% of the weights" in smallest
    assert "shown to be no worse than the dense network (with a margin of 0.45 points, 5% of its error)" in smallest
    assert "2.25 points higher" in smallest  # differences 2.1, 2.1 and 2.55 points: half 4.303 * 0.2598 / sqrt(3)
    assert "(95% interval +1.60 to +2.90 points)" in smallest
    assert "2 replicates are too few for an interval" in _findings([each for each in three if each["seed"] < 2])


def test_a_metric_that_should_be_low_is_told_in_its_own_terms(lane_folders: list[Path]) -> None:
    lanes = [each for k, v in {0: 0.5, 2: 0.46, 3: 0.48, 4: 0.6}.items() for each in trio("ticket", k, v, metric=RMSE)]
    lanes += trio("reinit", 3, 0.53, draw=1, metric=RMSE)
    text = _page(lanes)
    for part in (
        "The dense network has a test RMSE of 0.5 at its early stop.",
        "is the one with 36.0% of the weights. Its RMSE of 0.46 is 0.04 lower (better) than the dense network's",
        "keeps 21.6% of the weights. Its RMSE is 0.02 lower (better)",
        "random reinit, the same masks with fresh weights (by mean iterations), and its RMSE is 0.05 lower (better)",
        "The best RMSE at early stop among them is",
        "| RMSE at early stop | final RMSE |",
    ):
        assert part in text
    told = "\n".join(line for line in text.splitlines() if not line.startswith("- The paper"))
    assert "ccuracy" not in told
    assert "points" not in told
    worse = _findings([each for k in range(3) for each in trio("ticket", k, 0.5 + 0.1 * k, metric=RMSE)])
    assert "No ticket is shown to be no worse than the dense network (with a margin of 0.025, 5% of its RMSE)" in worse


def test_one_shot_is_judged_in_its_own_rounds(lane_folders: list[Path]) -> None:
    lanes = trio("dense", 0, 0.95, stop=500)
    lanes += [each for k in (1, 2, 3, 4) for each in trio("ticket", k, 0.96)]
    lanes += [*trio("one_shot", 1, 0.96, stop=400), *trio("one_shot", 3, 0.94, stop=600)]
    text = _page(lanes)
    assert "One-shot tickets were trained at 60.0% and 21.6% of the weights" in text
    assert "early stop is earlier than the dense network's at 60.0%." in text
    assert "accuracy is better than the dense network's at 60.0%." in text
    assert "than the dense network keeps 60.0%, and the smallest ticket that is shown" in text


def test_missing_arms_are_said_and_no_figure_is_promised(lane_folders: list[Path]) -> None:
    text = _page(synthetic.lanes(one_shot=False, reinit=False))
    assert "**Figure 3 is not drawn:** the experiment has no one-shot tickets" in text
    assert "one_shot.svg" not in text
    assert "no controls with fresh weights" in text
    assert "Compared with random reinit" not in text


def test_an_arm_that_nobody_knows_is_told_by_its_name_in_words_or_the_users(lane_folders: list[Path]) -> None:
    lanes = [*synthetic.lanes(), *(lane("my_own_arm", k, seed) for k in (1, 2) for seed in (1, 2))]
    text = _page(lanes)
    assert "| 60.0 | my own arm | 2 |" in text
    assert "**Further arms beside tickets: toy**" in text
    assert re.search(r"-6\.00 points [^;]*for my own arm", text)
    paths.PARAMS.write_text(synthetic.PARAMS.replace("dpi: 60", "dpi: 60, labels: { my_own_arm: SNIP, reinit: fresh weights }"))
    renamed = _page(lanes)
    assert "my own arm" not in renamed and "random reinit" not in renamed
    assert "| 60.0 | SNIP | 2 |" in renamed and "| 21.6 | fresh weights | 4 |" in renamed


def test_without_tickets_the_page_is_about_the_first_arm(lane_folders: list[Path]) -> None:
    text = _page([lane("dense", 0), *(lane("mine", k, value=0.97) for k in (1, 2)), lane("other", 1)])
    assert "The best mine of 2 rounds, chosen on the test set, is the one with" in text
    assert "minus that of the mine" in text
    alone = _page([lane("dense", 0)])
    assert "The dense network classifies 96.10% of the test set correctly" in alone
    assert "best of" not in alone


def _three(arm: str, number: int, *values: float, **changes: Any) -> list[dict[str, Any]]:
    """One lane for each value, with seeds from 1 on."""
    return [lane(arm, number, seed, value=value, **changes) for seed, value in enumerate(values, 1)]


def test_further_arms_are_compared_with_the_ticket_at_the_smallest_density_that_they_share(lane_folders: list[Path]) -> None:
    lanes = [*_three("ticket", 0, 0.95, 0.95, 0.95)]
    for k in (1, 2, 3):
        lanes += _three("ticket", k, 0.96, 0.96, 0.96)
    for k in (1, 2):
        lanes += _three("random_mask", k, 0.94, 0.94, 0.925)
    lanes += [*_three("shuffled_mask", 2, 0.97, 0.97, 0.971), *_three("shuffled_mask", 3, 0.90, 0.90, 0.90)]
    told = next(
        line for line in _page(lanes).splitlines() if line.startswith("- Here:") and "95% interval" in line and "mask" in line
    )
    assert "At 36.0% of the weights" in told
    assert re.search(r"2\.50 points lower \(95% interval -4\.65 to -0\.35 points\) for random mask", told)
    assert re.search(r"1\.03 points higher \(95% interval [^)]*\) for shuffled mask", told)


def test_further_arms_without_a_density_in_common_are_each_compared_at_their_own(lane_folders: list[Path]) -> None:
    lanes = [each for k in range(4) for each in _three("ticket", k, 0.96, 0.96, 0.96)]
    lanes += [*_three("random_mask", 1, 0.95, 0.95, 0.95), *_three("shuffled_mask", 3, 0.90, 0.90, 0.90)]
    text = _page(lanes)
    assert re.search(r"1\.00 points lower \([^)]*\) for random mask at 60\.0%", text)
    assert re.search(r"6\.00 points lower \([^)]*\) for shuffled mask at 21\.6%", text)


def test_further_arms_of_another_density_in_the_same_round_are_told_at_their_own(lane_folders: list[Path]) -> None:
    """A structure leaves another number of weights, so that no density is in common."""
    lanes = [each for k in range(4) for each in _three("ticket", k, 0.96, 0.96, 0.96)]
    lanes += [each for k in (1, 2, 3) for each in _three("units", k, 0.95, 0.95, 0.95, density=0.55**k)]
    told = _page([*lanes, *_three("two_four", 1, 0.90, 0.90, 0.90, density=0.5)])
    assert "smallest density" not in told
    assert "In round 1, the last that all share, the accuracy, compared with the ticket's, is 1.00 points lower" in told
    assert "for ticket of whole units at 55.0% (the ticket: 60.0%); 6.00 points lower" in told
    assert "at 50.0% (the ticket: 60.0%)." in told


# --- The dense network, trained for longer


def _with_longer_dense(**changes: Any) -> list[dict[str, Any]]:
    lanes = [
        *_three("dense", 0, 0.95, 0.95, 0.95),
        *_three("ticket", 1, 0.97, 0.97, 0.97),
        *_three("ticket", 2, 0.94, 0.94, 0.94),
    ]
    return [*lanes, *_three("dense_long", 2, 0.96, 0.96, 0.975, density=1.0, final_iteration=15_000, **changes)]


def test_what_the_time_of_all_rounds_gains_without_pruning_is_said_beside_the_figure(lane_folders: list[Path]) -> None:
    told = next(
        line for line in _page(_with_longer_dense()).splitlines() if "15,000 iterations" in line and line.startswith("- ")
    )
    assert "96.50%" in told
    assert re.search(r"1\.50 points higher than the dense network's \(95% interval -0\.65 to \+3\.65 points\)", told)
    assert re.search(r"ticket .*36\.0% of the weights.* 2\.50 points lower \(95% interval", told)


def test_a_longer_training_alone_is_no_ticket(lane_folders: list[Path]) -> None:
    alone = [each for each in _with_longer_dense() if each["arm"] != "ticket"]
    assert synthetic.outcome(alone).main == "dense"
    text = _page(alone)
    assert "15,000 iterations" in text
    assert "best of" not in text


# --- Early stops that the end of training cuts off


def _cut_off(*arms: str) -> list[dict[str, Any]]:
    """The lanes of the experiment, with all early stops of these arms at the end of training."""
    return [each | ({"early_stop_iteration": LATER} if each["arm"] in arms else {}) for each in synthetic.lanes()]


def test_where_the_dense_network_is_cut_off_the_comparison_is_void_and_differences_are_of_speed(lane_folders: list[Path]) -> None:
    text = _page(_cut_off("dense", "ticket", "one_shot", "reinit"))
    assert "The comparison is void, because training ended, after 5,000 iterations, before the dense network's" in text
    assert "(in 2 of 2 replicates)" in text
    assert "differences in speed of learning, not in final quality" in text
    told = "\n".join(line for line in text.splitlines() if not line.startswith("- The paper"))
    for word in ("earlier", "later than", "earliest", "sooner"):
        assert word not in told, word
    assert told.count("(a difference in speed of learning;") >= 2  # the tickets are as good as the dense network
    assert "wins" not in told and "shown to be no worse" not in told
    assert "| 100 | dense | 2 | ≥ 5,000 (5,000–5,000) |" in text
    assert "An early stop marked ≥ is a lower bound" in text


def test_where_the_rate_falls_to_0_networks_are_compared_after_the_same_iterations() -> None:
    outcome = replace(synthetic.outcome(_cut_off("dense", "ticket", "one_shot", "reinit")), annealed=True)
    said = "\n".join(findings.findings(Shown(synthetic.settings(), {"toy": outcome})))
    assert "is lowest at the end of training (in 2 of 2 replicates), where the learning rate has fallen to 0" in said
    assert "compared after the same 5,000 iterations, and early stops are not compared" in said
    for word in ("void", "speed of learning", "earlier", "later than"):
        assert word not in said, word


def test_a_cut_off_control_is_not_compared_but_the_dense_network_is(lane_folders: list[Path]) -> None:
    text = _page(_cut_off("reinit"))
    assert "The comparison is void, because training ended, after" not in text
    assert "The comparison is void, because training ended before the validation loss of the random reinit" in text
    assert "earlier than the dense network (by mean iterations)" in text
    assert "early stops are not compared, because training ended before the validation loss of the random reinit" in text
    assert "| 21.6 | random reinit | 4 | ≥ 5,000 (5,000–5,000) |" in text
    assert "| 21.6 | ticket | 2 | 500 (450–550) |" in text
    assert "a lower bound: random reinit at 21.6%." in text


def test_the_headline_says_that_a_comparison_is_void() -> None:
    said = headline.headline(synthetic.settings(), {"toy": synthetic.outcome(_cut_off("dense"))})
    assert "The comparison is void" in said
    assert "as fast" not in said


def test_where_no_ticket_is_as_good_as_dense_it_is_said_of_how_many_that_may_be_chance() -> None:
    dense = _three("dense", 0, 0.95, 0.95, 0.95)
    close, clear = _three("ticket", 1, 0.94, 0.955, 0.95), _three("ticket", 2, 0.90, 0.90, 0.901)

    def said(*tickets: list[dict[str, Any]]) -> str:
        lanes = [*dense, *(each for ticket in tickets for each in ticket)]
        return next(line for line in _findings(lanes).splitlines() if line.startswith(("No ticket is", "Whether a ticket")))

    assert re.search(r"include zero.* 60\.0%", said(close, clear))
    assert "36.0%" not in said(close, clear)
    assert re.search(r"none .*includes zero", said(clear))
    assert "zero" not in said([each for each in close if each["seed"] == 1])  # too few replicates for an interval


def test_an_early_stop_at_iteration_0_is_no_crash(lane_folders: list[Path]) -> None:
    lanes = synthetic.lanes()
    assert "early stop comes at the same iteration" in _page([each | {"early_stop_iteration": 0} for each in lanes])
    dense = [each | {"early_stop_iteration": 0} for each in lanes if each["round"] == 0]
    assert "because the other one comes at iteration 0" in _page([*dense, *(each for each in lanes if each["round"])])


def test_a_longer_training_does_not_lend_its_end_to_the_dense_network() -> None:
    dense = [synthetic.lane("dense", 0, seed, stop=990, final_iteration=1000) for seed in (1, 2)]
    longer = [synthetic.lane("dense_long", 2, seed, stop=1500, final_iteration=3000) for seed in (1, 2)]
    tickets = [synthetic.lane("ticket", 1, seed, stop=500, final_iteration=1000) for seed in (1, 2)]
    found = synthetic.outcome([*dense, *tickets, *longer])
    assert found.iterations == 1000
    assert found.is_short
