"""The stages after training on a made-up experiment, and the tables between them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.files import store
from pipeline.results import numbers, tables
from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import aggregate, plot
from stages import report as report_stage
from tests import lottery, synthetic

pytestmark = pytest.mark.usefixtures("without_library")


@pytest.fixture
def lane_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return synthetic.write()


def _run() -> dict[str, bytes]:
    aggregate.main("toy")
    plot.main("toy")
    report_stage.main("main")
    files = [places.curves("toy"), *(p for p in places.REPORTS.rglob("*") if p.is_file())]
    return {str(path): path.read_bytes() for path in files}


# --- The stages


@pytest.mark.slow
def test_the_stages_write_the_files_of_the_design_twice_the_same(lane_folders: list[Path]) -> None:
    first = _run()
    assert {
        str(places.curves("toy")),
        str(places.rounds("toy")),
        str(places.metrics("toy")),
        str(places.index()),
        str(places.page()),
    } < set(first)
    assert len(first) == 6 + 6  # examined.csv is made up
    assert _run() == first


def test_rounds_csv_has_a_row_a_lane_and_empty_draws(lane_folders: list[Path]) -> None:
    aggregate.main("toy")
    header, *rows = places.rounds("toy").read_text().splitlines()
    assert re.search(r"final_accuracy,final_iteration,metric,better,unit,target,checksum=[0-9a-f]{32}$", header)
    assert len(rows) == len(lane_folders) == 16
    assert rows[0] == ("0,1.0,dense,1,,600,0.961,0.1,0.96,5000,accuracy,higher,fraction,experiments/toy/dvc.yaml:train_dense,")
    assert rows[-1].startswith(f"3,{0.6**3},reinit,2,2,")
    assert rows[-1].endswith("experiments/toy/dvc.yaml:control_reinit@r03,")
    header = places.curves("toy").read_text().splitlines()[0]
    assert header.startswith("arm,round,density,iteration,train_loss_mean,train_loss_min,train_loss_max,validation_loss_mean,")


@pytest.mark.parametrize("name", ["lane.json", "history.csv"])
@pytest.mark.parametrize("place", range(16))
def test_a_missing_lane_file_is_named_with_the_stage_that_makes_it(lane_folders: list[Path], place: int, name: str) -> None:
    lost = lane_folders[place] / name
    lost.unlink()
    item = lost.parents[2].name
    stage = {"r00": "train_dense", "one_shot_r03": "retrain_one_shot@r03", "reinit_r03": "control_reinit@r03"}.get(
        item, f"retrain@{item}"
    )
    with pytest.raises(UserError) as caught:
        aggregate.main("toy")
    assert str(lost) in str(caught.value)
    assert f"dvc repro experiments/toy/dvc.yaml:{stage}" in str(caught.value)
    assert not places.rounds("toy").exists()


def test_a_damaged_table_is_named(lane_folders: list[Path]) -> None:
    (lane_folders[0] / "history.csv").write_bytes(b"")
    with pytest.raises(UserError, match=r"history\.csv is damaged \(it has no checksum.*dvc repro .*:train_dense"):
        aggregate.main("toy")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"metric": None}, "which metric"),
        ({"metric": {"name": "accuracy", "better": "higher"}}, "which metric"),
        ({"accuracy_at_early_stop": "0.9"}, "accuracy_at_early_stop is '0.9'"),
        ({"final_accuracy": None}, "final_accuracy is None"),
        ({"density": True}, "density is True"),
        ({"early_stop_iteration": 1.5}, "early_stop_iteration is 1.5"),
        ({"final_iteration": 4000}, "it ends at iteration 5000, not at 4000"),
    ],
)
def test_a_lane_that_training_did_not_write_so_is_refused(lane_folders: list[Path], changes: Any, problem: str) -> None:
    path = lane_folders[3] / "lane.json"
    store.write_json(path, store.read_json(path) | changes)
    with pytest.raises(UserError, match=r"delete it and run `dvc repro experiments/toy/dvc.yaml:retrain@r01`") as caught:
        aggregate.main("toy")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: "\n".join(text.splitlines()[:-2]), "it ends at iteration 4000, not at 5000"),
        (lambda text: text.splitlines()[0] + "\n", "no rows"),
        (lambda text: text.replace("test_accuracy", "other"), "it has no column test_accuracy"),
        (lambda text: text.replace("\n500,", "\n500,x"), "its column train_loss has text"),
    ],
)
def test_a_history_that_is_cut_short_or_has_text_is_refused(lane_folders: list[Path], damage: Any, problem: str) -> None:
    path = lane_folders[3] / "history.csv"
    store.write_table(path, damage(store.read_table(path)))
    with pytest.raises(UserError, match=problem) as caught:
        aggregate.main("toy")
    assert "dvc repro experiments/toy/dvc.yaml:retrain@r01" in str(caught.value)


def test_plot_and_report_say_what_is_missing(lane_folders: list[Path]) -> None:
    for stage, argument in ((plot, "toy"), (report_stage, "main")):
        with pytest.raises(UserError, match=r"rounds.csv is missing; `dvc repro experiments/toy/dvc.yaml:aggregate`"):
            stage.main(argument)
    with pytest.raises(UserError, match="no experiment 'tay'"):
        plot.main("tay")


def test_a_table_of_an_older_version_is_named_with_what_makes_it_anew(lane_folders: list[Path]) -> None:
    aggregate.main("toy")
    table = places.rounds("toy")
    store.write_table(table, store.read_table(table).replace("metric", "old", 1))
    for stage, argument in ((plot, "toy"), (report_stage, "main")):
        with pytest.raises(
            UserError, match=r"rounds.csv: the table of rounds has no column metric; `dvc repro --force exp.*aggr"
        ):
            stage.main(argument)
    aggregate.main("toy")
    curves = places.curves("toy")
    store.write_table(curves, store.read_table(curves).replace("test_accuracy_mean", "other"))
    with pytest.raises(UserError, match="the table of curves has no column test_accuracy_mean"):
        plot.main("toy")


@pytest.mark.parametrize("table", [places.rounds, places.curves, places.examined, places.profiles])
def test_a_table_that_was_cut_off_between_two_lines_is_refused(lane_folders: list[Path], table: Any) -> None:
    """Its points would be missing from figures and claims."""
    aggregate.main("toy")
    path = table("toy")
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *rows[:-1]]) if rows else header.replace("layer", "laier"))
    stage = "examine" if table in (places.examined, places.profiles) else "aggregate"
    with pytest.raises(UserError, match=rf"^{path} is damaged .*; delete it and run `dvc repro .*toy/dvc.yaml:{stage}`$"):
        plot.main("toy")


@pytest.mark.parametrize("file", ["lane.json", "history.csv"])
def test_a_digit_that_is_another_one_is_refused(lane_folders: list[Path], file: str) -> None:
    path = lane_folders[3] / file
    text = path.read_text()
    assert text.count("0.9") > 0
    path.write_text(text.replace("0.9", "0.8", 1))
    with pytest.raises(UserError, match=rf"^{path} is damaged .*; delete it and run `dvc repro .*:retrain@r01`$"):
        aggregate.main("toy")


@pytest.mark.slow
def test_every_link_of_the_page_leads_to_a_file(lane_folders: list[Path]) -> None:
    _run()
    links = set(re.findall(r"\]\(([^)]+)\)", places.index().read_text()))
    drawn = ("learning_curves", "early_stop", "one_shot")
    assert {f"toy/figures/{name}.{kind}" for name in drawn for kind in ("svg", "png")} < links
    assert [link for link in links if not (places.REPORTS / link).is_file()] == []


def test_each_experiment_has_its_numbers_whether_a_report_shows_it_or_not(lane_folders: list[Path]) -> None:
    aggregate.main("toy")
    metrics = json.loads((places.report("toy") / "metrics.json").read_text())
    assert metrics == {"toy": numbers.metrics(synthetic.outcome(synthetic.lanes()))}
    stages = lottery.stages("toy")
    assert stages["aggregate"]["metrics"] == [{"reports/toy/metrics.json": {"cache": False, "persist": True}}]
    assert "metrics" not in lottery.read_yaml(places.ROOT_CHAIN)["stages"]["report"]  # `dvc metrics diff` has each once


def test_sections_are_in_the_order_of_the_report(lane_folders: list[Path]) -> None:
    second = synthetic.PARAMS[synthetic.PARAMS.index("  toy:") :].replace("  toy:", "  another:")
    synthetic.write(synthetic.PARAMS.replace("report: [toy]", "report: [toy, another]") + second)
    aggregate.main("toy")
    for path in (places.rounds, places.examined, places.curves, places.profiles):
        path("another").parent.mkdir(exist_ok=True)
        path("another").write_bytes(path("toy").read_bytes())
    report_stage.main("main")
    text = places.index().read_text()
    assert text.index("## toy") < text.index("## another")
    text = places.page().read_text()
    assert text.index("<h2>toy</h2>") < text.index("<h2>another</h2>")


def test_a_chain_that_disagrees_with_params_is_refused_with_the_command_that_mends_it(lane_folders: list[Path]) -> None:
    paths.PARAMS.write_text(synthetic.PARAMS.replace("rounds: 4", "rounds: 3"))
    with pytest.raises(UserError, match=r"experiments/toy/dvc.yaml does not agree .* `python -m stages.repeat_rounds`"):
        aggregate.main("toy")


@pytest.mark.parametrize("column", ["arm", "validation_loss"])
def test_a_table_of_something_else_is_one_sentence(tmp_path: Path, column: str) -> None:
    store.write_table(tmp_path / "table.csv", "garbage\n1\n")
    with pytest.raises(UserError, match=rf"table.csv is damaged \(no column {column}\); .* `dvc repro x`"):
        tables.read(tmp_path / "table.csv", "x", [column])


@pytest.mark.parametrize(
    ("path", "old", "new", "problem"),
    [
        (places.rounds, "round,", "rund,", "no column round"),
        (places.rounds, "seed", "sed", "no column seed"),
        (places.rounds, "early_stop_iteration", "stop", "no column early_stop_iteration"),
        (places.rounds, "target", "aim", "no column target"),
        (places.rounds, "final_iteration", "end", "no column final_iteration"),
        (places.rounds, "final_accuracy", "last", "no numbers in a column final_accuracy"),
        (places.rounds, "\n0,", "\nx,", "the column round has text"),
        (places.curves, "iteration", "time", "no column iteration"),
        (places.curves, "test_accuracy_max", "most", "no column test_accuracy_max"),
    ],
)
def test_a_table_without_a_column_is_one_sentence(
    lane_folders: list[Path], path: Callable[[str], Path], old: str, new: str, problem: str
) -> None:
    aggregate.main("toy")
    file = path("toy")
    store.write_table(file, store.read_table(file).replace(old, new, 1))
    with pytest.raises(UserError, match=rf"^reports/toy/rounds\.csv|^{file}") as told:
        plot.main("toy")
    assert problem in str(told.value) and "dvc repro" in str(told.value) and "\n" not in str(told.value)
