"""`--show`: what an experiment holds and costs, told before it runs."""

from pathlib import Path

import pytest

from pipeline.preview.estimate import Estimate
from pipeline.preview.show import duration, show
from pipeline.settings import check, config
from pipeline.values.errors import UserError
from stages import repeat_rounds
from tests import lottery


@pytest.fixture
def estimate(monkeypatch: pytest.MonkeyPatch) -> Estimate:
    """Of digits, with a clock that counts instead: every step takes 2 s and every evaluation of the trial 10 s."""
    monkeypatch.chdir(lottery.ROOT)
    setup = check.without_data(lottery.bound("digits"))
    assert setup
    found = Estimate(setup)
    seconds = iter([2.0, 10.0] * 10)
    monkeypatch.setattr(found, "_clock", lambda work: (work(), next(seconds))[1])
    monkeypatch.setattr("pipeline.preview.estimate.cores", lambda: 2)
    return found


def test_an_estimate_counts_steps_evaluations_and_cores(estimate: Estimate) -> None:
    training, data, dense = estimate.experiment.training, estimate.experiment.data, estimate.setup.bound.lottery.dense
    iteration = 2.0 + (data.validation + 360) * 10.0 / 200 / training.evaluate_every
    assert estimate.seconds(dense, 1, 600) == pytest.approx(600 * iteration)
    assert estimate.seconds(dense, 2, 600) == pytest.approx(600 * iteration)  # side by side
    assert estimate.seconds(dense, 3, 500) == pytest.approx(1.5 * 500 * iteration)


def test_a_duration_has_two_digits_and_a_readable_unit() -> None:
    assert [duration(s) for s in (0.123, 99, 101, 5990, 6100, 170_000, 1e6)] == [
        "0.12 s", "99 s", "1.7 min", "100 min", "1.7 h", "47 h", "12 days",
    ]  # fmt: skip


def test_show_tells_stages_densities_lanes_and_a_measured_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=lottery.experiment())):
        monkeypatch.setattr("sys.argv", ["repeat_rounds", "--show", "toy"])
        repeat_rounds.run()
        said = capsys.readouterr().out
        assert "experiments/toy/dvc.yaml:retrain@r03" in said
        assert "training takes about" in said
        assert "8 items, 18 lanes, 270 lane-iterations" in said
        monkeypatch.setattr("sys.argv", ["repeat_rounds", "--show", "toy", "tyo"])
        with pytest.raises(SystemExit, match=r"^error: .*no experiment 'tyo'"):
            repeat_rounds.run()


def test_show_counts_from_the_rewind_point_and_refuses_what_training_would(tmp_path: Path) -> None:
    tickets = lottery.experiment(rewind="5it", arms={"reinit": {"rounds": [3], "draws": 1}})
    long = lottery.experiment(optimizer={"name": "adam", "lr": 1e-2, "warmup": "15it"})
    with lottery.repository(tmp_path, lottery.params(toy=tickets, long=long)):
        settings = config.load()
        shown = show("toy", settings.experiment("toy"))
        assert f"{2 * 15 + 3 * 2 * 10 + 2 * 15} lane-iterations" in shown
        with pytest.raises(UserError, match=r"experiments.long: optimizer.warmup is 15it, iteration 15, but should be before"):
            show("long", settings.experiment("long"))
