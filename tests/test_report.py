"""The stages after training on a made-up experiment, and that the page says what its tables say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import headline, paper, report, statistics, tables
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import aggregate, plot
from stages import report as report_stage
from tests import synthetic
from tests.synthetic import summary


@pytest.fixture
def lane_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return synthetic.write()


def _run() -> dict[str, bytes]:
    aggregate.main("toy")
    plot.main("toy")
    report_stage.main("main")
    files = [paths.curves("toy"), *(p for p in places.REPORTS.rglob("*") if p.is_file())]
    return {str(path): path.read_bytes() for path in files}


def _page(lanes: list[dict[str, Any]]) -> str:
    rounds = statistics.rounds(lanes)
    settings = config.load()
    return report.index(settings, places.MAIN, {"toy": rounds}, {}, {"toy": statistics.metrics(rounds)})


def test_the_stages_write_the_files_of_the_design_twice_the_same(lane_folders: list[Path]) -> None:
    first = _run()
    assert {str(paths.curves("toy")), str(places.rounds("toy")), str(places.metrics()), str(places.index())} < set(first)
    assert len(first) == 4 + 6
    assert _run() == first


def test_rounds_csv_has_a_row_a_lane_and_empty_draws(lane_folders: list[Path]) -> None:
    aggregate.main("toy")
    header, *rows = places.rounds("toy").read_text().splitlines()
    assert header == ",".join(statistics.ROUND_COLUMNS)
    assert len(rows) == len(lane_folders) == 16
    assert rows[0] == "0,1.0,ticket,1,,600,0.961,0.1,0.96,1000,experiments/toy/dvc.yaml:train_dense"
    assert rows[-1].startswith(f"3,{0.6**3},reinit,2,2,")
    assert rows[-1].endswith("experiments/toy/dvc.yaml:control@reinit_r03")
    header = paths.curves("toy").read_text().splitlines()[0]
    assert header.startswith("arm,round,density,iteration,train_loss_mean,train_loss_min,train_loss_max,validation_loss_mean,")


@pytest.mark.parametrize("name", ["lane.json", "history.csv"])
@pytest.mark.parametrize("place", range(16))
def test_a_missing_lane_file_is_named_with_the_stage_that_makes_it(lane_folders: list[Path], place: int, name: str) -> None:
    lost = lane_folders[place] / name
    lost.unlink()
    item = lost.parents[2].name
    stage = "train_dense" if item == "r00" else f"{'control' if 'reinit' in item else 'retrain'}@{item}"
    with pytest.raises(UserError) as caught:
        aggregate.main("toy")
    assert str(lost) in str(caught.value)
    assert f"dvc repro experiments/toy/dvc.yaml:{stage}" in str(caught.value)
    assert not places.rounds("toy").exists()


def test_a_damaged_table_is_named(lane_folders: list[Path]) -> None:
    (lane_folders[0] / "history.csv").write_bytes(b"")
    with pytest.raises(UserError, match=r"history\.csv is not a valid table"):
        aggregate.main("toy")


def test_plot_and_report_say_what_is_missing(lane_folders: list[Path]) -> None:
    for stage, argument in ((plot, "toy"), (report_stage, "main")):
        with pytest.raises(UserError, match=r"rounds.csv is missing; `dvc repro experiments/toy/dvc.yaml:aggregate`"):
            stage.main(argument)
    with pytest.raises(UserError, match="no experiment 'tay'"):
        plot.main("tay")


def test_every_link_of_the_page_leads_to_a_file(lane_folders: list[Path]) -> None:
    _run()
    links = set(re.findall(r"\]\(([^)]+)\)", places.index().read_text()))
    assert {f"toy/figures/{name}.{kind}" for name in paper.LENET for kind in ("svg", "png")} < links
    assert [link for link in links if not (places.REPORTS / link).is_file()] == []


def test_metrics_json_is_by_experiment_in_the_order_of_the_report(lane_folders: list[Path]) -> None:
    second = synthetic.PARAMS[synthetic.PARAMS.index("  toy:") :].replace("  toy:", "  another:")
    synthetic.write(synthetic.PARAMS.replace("report: [toy]", "report: [toy, another]") + second)
    aggregate.main("toy")
    places.report("another").mkdir()
    places.rounds("another").write_bytes(places.rounds("toy").read_bytes())
    report_stage.main("main")
    metrics = json.loads(places.metrics().read_text())
    assert list(metrics) == ["toy", "another"]
    assert metrics["toy"] == pytest.approx(statistics.metrics(statistics.rounds(synthetic.lanes())))
    assert metrics["toy"]["reinit_accuracy_gap_at_21"] == pytest.approx(0.03)
    page = places.index().read_text()
    assert page.index("## toy") < page.index("## another")


def test_the_table_has_each_item_with_its_command(lane_folders: list[Path]) -> None:
    page = _page(synthetic.lanes())
    commands = re.findall(r"`dvc repro ([^`]+)` \|", page)
    stages = ["train_dense", *(f"retrain@r0{k}" for k in range(1, 5)), "retrain@one_shot_r03", "control@reinit_r03"]
    assert commands == [f"experiments/toy/dvc.yaml:{stage}" for stage in stages]
    assert "| 100 | dense | 2 | 650 (600–700) | 96.15 (96.10–96.20) | 96.00 |" in page
    assert "| 21.6 | random reinit | 4 | 900 (850–950) | 93.15 (93.10–93.20) | 93.00 |" in page


def test_the_page_says_what_was_run(lane_folders: list[Path]) -> None:
    page = _page(synthetic.lanes())
    for part in ("1,000 iterations of batch 30", "adam at 0.002", "4 rounds of layer-wise magnitude pruning", "2 replicates",
                 "fc 40%, output 20%", "one-shot ticket in 1 round", "random reinit in 1 round (2 draws a seed)"):  # fmt: skip
        assert part in page


def test_what_is_seen_follows_the_data(lane_folders: list[Path]) -> None:
    dense: dict[str, Any] = {"early_stop_iteration": 1000, "accuracy_at_early_stop": 0.95}
    sooner: dict[str, Any] = {"early_stop_iteration": 500, "accuracy_at_early_stop": 0.96}
    later: dict[str, Any] = {"early_stop_iteration": 2000, "accuracy_at_early_stop": 0.90}
    for found, sentences in (
        (sooner, ["early stop 50% earlier, accuracy +1.00 points", "2.00× sooner than the dense", "Smallest ticket no worse"]),
        (later, ["early stop 100% later, accuracy -5.00 points", "2.00× later than the dense", "No ticket is as accurate"]),
    ):
        page = _page([summary("ticket", 0, **dense), summary("ticket", 3, density=0.211, **found)])
        assert [sentence for sentence in sentences if sentence not in page] == []


def test_one_shot_is_judged_in_its_own_rounds(lane_folders: list[Path]) -> None:
    lanes = [summary("ticket", 0, accuracy_at_early_stop=0.95, early_stop_iteration=500)]
    lanes += [summary("ticket", k, accuracy_at_early_stop=0.96) for k in (1, 2, 3, 4)]
    lanes += [summary("one_shot", 1, accuracy_at_early_stop=0.96, early_stop_iteration=400)]
    lanes += [summary("one_shot", 3, accuracy_at_early_stop=0.94, early_stop_iteration=600)]
    page = _page(lanes)
    assert "of one-shot tickets at 60.0, 21.6%, early stop is earlier than dense at 60.0% and accuracy higher at 60.0%" in page
    assert "The smallest ticket of these rounds that is no worse than dense: 60.0% one-shot, 21.6% iterative" in page


def test_missing_arms_are_said_and_no_figure_is_promised(lane_folders: list[Path]) -> None:
    page = _page(synthetic.lanes(one_shot=False, reinit=False))
    assert "**Figure 3 is not drawn:** the experiment has no one-shot tickets" in page
    assert "one_shot.svg" not in page
    assert "no reinitialised controls" in page
    assert "against reinit" not in page


def test_headline_leaves_out_what_is_null(lane_folders: list[Path]) -> None:
    nothing = statistics.metrics(statistics.rounds([summary("ticket", 0)]))
    assert report.headline({"toy": nothing}) == "toy\n  Dense network: 96.10% of the test images right."
    full = report.headline({"toy": statistics.metrics(statistics.rounds(synthetic.lanes()))})
    assert len(full.splitlines()) == 6
    assert (
        "2.00× sooner than that of the same masks with fresh weights (reinit), and its accuracy is 3.00 points above" not in full
    )


def test_an_early_stop_at_iteration_0_is_no_crash(lane_folders: list[Path]) -> None:
    lanes = synthetic.lanes()
    assert "early stop at the same iteration" in _page([lane | {"early_stop_iteration": 0} for lane in lanes])
    dense = [lane | {"early_stop_iteration": 0} for lane in lanes if lane["round"] == 0]
    assert "early stop not before iteration 0" in _page([*dense, *(lane for lane in lanes if lane["round"])])


def test_after_a_run_the_headline_and_the_page_are_named(
    lane_folders: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["headline"])
    with pytest.raises(UserError, match=r"rounds\.csv is missing"):
        headline.main()
    aggregate.main("toy")
    headline.main()
    shown = capsys.readouterr().out
    assert "Dense network: 96.15%" in shown
    assert str(places.index()) in shown


def test_a_chain_that_disagrees_with_params_is_refused_with_the_command_that_mends_it(lane_folders: list[Path]) -> None:
    paths.PARAMS.write_text(synthetic.PARAMS.replace("rounds: 4", "rounds: 3"))
    with pytest.raises(UserError, match=r"experiments/toy/dvc.yaml does not agree .* `python -m stages.repeat_rounds`"):
        aggregate.main("toy")


@pytest.mark.parametrize("column", ["arm", "validation_loss"])
def test_a_table_of_something_else_is_one_sentence(tmp_path: Path, column: str) -> None:
    (tmp_path / "table.csv").write_text("garbage\n1\n")
    with pytest.raises(UserError, match=rf"table.csv is not a valid table \(no column {column}\); .* `dvc repro x`"):
        tables.read(tmp_path / "table.csv", "x", column)
