"""The simulation of chains on other machines, against times that can be computed by hand."""

import math
import platform
import re
from dataclasses import replace
from pathlib import Path

import pytest
from dvc.dvcfile import load_file
from dvc.repo import Repo
from dvc.repo.index import Index
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.executors import processes
from pipeline.run.bound import Bound
from pipeline.scale import costs
from pipeline.scale.__main__ import main
from pipeline.scale.chain import links
from pipeline.scale.costs import Cores, Gpu
from pipeline.scale.simulation import Phase, Stage, critical_path, simulate
from pipeline.scale.workload import Workload, workload
from pipeline.settings import places
from pipeline.tracking import record
from pipeline.values import paths
from pipeline.values.lanes import Item
from tests import lottery


def stage(name: str, needs: str = "", *phases: Phase) -> Stage:
    return Stage(name, frozenset(needs), phases)


CHAIN = [stage("a", "", Phase(2)), stage("b", "a", Phase(3)), stage("c", "b", Phase(4))]
FORK = [stage("a", "", Phase(1)), stage("b", "a", Phase(3)), stage("c", "a", Phase(5)), stage("d", "bc", Phase(2))]
# Four threads of 3 s beside one of 2 s on two cores: at 2/5 each, the one ends at 5 s, when the others have 1 s left each.
SHARED = [stage("a", "", Phase(3, threads=4)), stage("b", "", Phase(2))]
LOCKED = [stage(n, "", Phase(1, locked=True), Phase(3), Phase(1, locked=True)) for n in "abc"]
WAVES = [stage("a", "", Phase(2, threads=3), Phase(2, threads=2))]  # five lanes of 2 s, three at once, on two cores
DRIVEN = [stage(n, "", Phase(2, threads=0), Phase(4)) for n in "ab"]  # a driver beside the units


@pytest.mark.parametrize(
    ("stages", "units", "jobs", "makespan"),
    [
        (CHAIN, 1, 1, 9), (CHAIN, 8, 8, 9),
        (FORK, 2, 1, 11), (FORK, 2, 2, 8), (FORK, 1, 2, 11),
        (SHARED, 2, 1, 6 + 2), (SHARED, 2, 2, 7), (SHARED, 5, 2, 3),
        (LOCKED, 3, 1, 15), (LOCKED, 3, 3, 7), (LOCKED, 1, 3, 15),
        (WAVES, 2, 1, 5), (WAVES, 4, 1, 4),
        (DRIVEN, 1, 1, 12), (DRIVEN, 1, 2, 2 + 8), (DRIVEN, 2, 2, 6),
        ([], 1, 1, 0),
    ],
)  # fmt: skip
def test_small_graphs_take_the_time_that_was_computed_by_hand(
    stages: list[Stage], units: int, jobs: int, makespan: float
) -> None:
    assert simulate(stages, units, jobs).makespan == pytest.approx(makespan)


def test_a_timeline_says_when_each_stage_ran_and_how_many_units_were_busy() -> None:
    found = simulate(FORK, 8, 8)
    assert (found.began, found.ended) == ({"a": 0, "b": 1, "c": 1, "d": 6}, {"a": 1, "b": 4, "c": 6, "d": 8})
    assert found.most == 2
    assert [s.name for s in critical_path(FORK)] == ["a", "c", "d"]


def test_a_job_goes_to_the_stage_with_the_longest_path_before_it() -> None:
    stages = [stage("a", "", Phase(1)), stage("b", "", Phase(2)), stage("c", "b", Phase(5))]
    assert simulate(stages, 4, 1).began == {"b": 0, "c": 2, "a": 7}


@st.composite
def graphs(draw: st.DrawFn) -> list[Stage]:
    found: list[Stage] = []
    for name in "abcdefg"[: draw(st.integers(1, 7))]:
        needs = draw(st.sets(st.sampled_from([s.name for s in found]))) if found else set()
        phase = st.builds(Phase, st.integers(0, 5).map(float), st.integers(0, 4), st.booleans())
        found.append(Stage(name, frozenset(needs), tuple(draw(st.lists(phase, min_size=1, max_size=3)))))
    return found


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(1, 4), st.integers(1, 5))
def test_a_makespan_is_within_its_bounds(stages: list[Stage], units: int, jobs: int) -> None:
    found = simulate(stages, units, jobs)
    assert found.ended.keys() == {s.name for s in stages}
    path = sum(s.alone(units) for s in critical_path(stages, units))
    locked = sum(p.seconds for s in stages for p in s.phases if p.locked)
    least = max(path, locked, sum(s.work for s in stages) / units)
    one = sum(s.alone(units) for s in stages)
    assert least - 1e-6 <= found.makespan <= one + 1e-6
    assert simulate(stages, units, 1).makespan == pytest.approx(one)
    for s in stages:
        assert found.began[s.name] >= max((found.ended[n] for n in s.needs), default=0)
    # With jobs and units for all, nothing but the lock makes a stage wait.
    if not locked:
        assert simulate(stages, 100, 100).makespan == pytest.approx(sum(s.alone(math.inf) for s in critical_path(stages)))


def test_more_jobs_can_take_longer() -> None:
    """A stage beside the critical one slows it down, so that it is left over at the end, when it cannot use all units."""
    stages = [stage("a", "", Phase(3)), stage("b", "", Phase(1)), stage("c", "", Phase(2, threads=2))]
    assert [simulate(stages, 2, jobs).makespan for jobs in (1, 2, 3)] == [6, 4, 4.5]


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lottery.ROOT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a library of DVC
@pytest.mark.parametrize("names", [["digits"], pytest.param(["lenet_anatomy", "fashion_transfer"], marks=pytest.mark.slow)])
def test_what_a_stage_waits_for_is_what_dvc_says(names: list[str]) -> None:
    """The last of these chains takes masks of the one before."""
    repo = Repo(str(lottery.ROOT))
    loaded = {f"{name}:{s.name}": s for name in names for s in load_file(repo, str(places.chain(name))).stages.values()}
    called = {s: name for name, s in loaded.items()}
    graph = Index(repo, stages=[*loaded.values()]).graph
    expected = {name: {called[before] for before in graph.successors(s)} for name, s in loaded.items()}
    found = {link.name: link for link in links([lottery.bound(name) for name in names])}
    assert {name: set(link.needs) for name, link in found.items()} == expected
    if "fashion_transfer" in names:
        assert "lenet_anatomy:prune@r03" in found["fashion_transfer:borrow_transferred@r03"].needs
    assert {link.item for link in found.values() if link.item} == {i for name in names for i in lottery.plan(name).items()}


@pytest.fixture
def digits() -> Workload:
    return workload(lottery.bound("digits"))


def test_a_workload_counts_lanes_iterations_bytes_and_rows(digits: Workload) -> None:
    reinit = Item("digits", 2, "reinit")
    parameters, weights = 64 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10, 64 * 32 + 32 * 16 + 16 * 10
    assert (digits.lanes(reinit), digits.iterations(reinit)) == (10, 1500)
    assert (digits.weights, digits.data) == (4 * parameters, 1797 * 64)
    assert digits.moved == 2 * 4 * parameters + weights // 8
    assert digits.rows(reinit) == 10 * (76 * 5 - 1 + 9)


def test_as_many_rows_are_counted_as_mlflow_is_told(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(digits=lottery.experiment(arms={}))):
        lottery.run("digits", "r00")
        records, _ = record.find("digits", "r00")
        told = sum(len(found.points) - len(found.training.samples) for found in records)  # system metrics are not simulated
        assert told == workload(lottery.bound("digits")).rows(Item("digits", 0, "dense")) > 0


def test_a_measured_training_is_shared_between_its_lanes(digits: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, reinit = Item("digits", 1, "ticket"), Item("digits", 2, "reinit")
    told = {"training_seconds": 30.0, "device": platform.processor() or platform.machine()}
    known = {paths.runtime("digits", "r01"): told, paths.runtime("digits", "reinit_r02"): told | {"device": "a GPU"}}
    monkeypatch.setattr("pipeline.scale.costs.notes.read", lambda path: known.get(path, {}))
    monkeypatch.setattr("pipeline.scale.costs.cores", lambda: 2)
    assert costs.measured(digits) == {ticket: 12.0}  # five lanes took two cores 30 s
    on = {units: Cores(units, {ticket: 12.0, reinit: 6.0}) for units in (2, 4, 64)}
    assert on[2].training(digits, ticket) == (Phase(12, 3), Phase(12, 2))
    assert on[4].training(digits, reinit) == (Phase(6, 6), Phase(6, 4))
    assert on[64].training(digits, reinit) == (Phase(6, 10),)
    for units, machine in on.items():
        monkeypatch.setattr(processes, "cores", lambda units=units: units)
        assert [machine.training(digits, item)[0].threads for item in (ticket, reinit)] == [
            processes.at_once(5),
            processes.at_once(10),
        ]


def test_what_was_not_measured_is_estimated(
    digits: Workload, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(costs.Estimate, "seconds", lambda _, masks, lanes, iterations: lanes * iterations / 1e3)
    assert costs.estimated(digits) == dict.fromkeys(digits.items, 1.5)
    monkeypatch.setattr(costs, "measured", lambda work: {work.items[0]: 1.0})
    assert main(["digits"]) == 0
    assert "1 items as measured on this machine, 6 estimated" in capsys.readouterr().out
    assert main(["digits", "--iterations", "3000"]) == 0  # what was measured was shorter
    assert "0 items as measured on this machine, 7 estimated" in capsys.readouterr().out
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert main(["digits"]) == 1
    assert capsys.readouterr().err.startswith("error: digits was not trained on the cores of this machine")


def test_lanes_share_a_gpu_as_long_as_it_is_not_full(digits: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    reinit = Item("digits", 2, "reinit")
    assert Gpu(step=0.1, tflops=None, least=0.4).training(digits, reinit) == (Phase(pytest.approx(0.6), 3),)  # 4, 4 and 2 lanes
    assert Gpu(step=2.0, tflops=None, least=0.4).training(digits, reinit) == (Phase(3.0, 10),)
    monkeypatch.setattr("pipeline.scale.workload.is_batched", lambda setup: False)
    assert Gpu(step=0.1, tflops=None, least=0.4).training(replace(digits), reinit)[0].threads == 10  # trained one by one


@pytest.mark.parametrize(("precision", "together"), [("fp32", True), ("bf16", False)])
def test_lanes_are_batched_as_they_would_be_on_a_gpu(digits: Workload, precision: str, together: bool) -> None:
    experiment = digits.setup.bound.experiment
    training = experiment.training.model_copy(update={"precision": precision})
    changed = Bound.of("digits", experiment.model_copy(update={"training": training}))
    assert workload(changed).is_batched == together


@pytest.mark.slow  # torch imports much when it counts operations for the first time
def test_an_iteration_on_a_gpu_takes_the_time_of_its_operations(digits: Workload) -> None:
    operations = 2 * (64 * 32 + 32 * 16 + 16 * 10) * (3 * 30 + (200 + 360) / 20)
    assert digits.operations == operations
    rate = operations / 1e9  # TFLOP/s at which an iteration takes a millisecond
    assert Gpu(step=None, tflops=rate, least=0.4).training(digits, Item("digits", 2, "reinit")) == (
        Phase(pytest.approx(1.5), 10),
    )


def test_a_prediction_is_compared_with_measured_times(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "measured", lambda work: dict.fromkeys(work.items, 2.0))
    # One core and one job: 14 stages, of which 7 train 45 lanes in all and 4 prune.
    counts = {"start": 1, "dvc": 14, "train": 7, "prune": 4, "aggregate": 1, "examine": 1, "plot": 1}
    one = 45 * 2.0 + sum(count * costs.SECONDS[kind] for kind, count in counts.items())
    command = ["digits", "--workers", "1", "--measured"]
    assert main([*command, f"1={one / 1.1}"]) == 0
    assert f"{one:.1f} s" in (shown := capsys.readouterr().out)
    assert "the largest error is 10.0% (target: at most 15%)" in shown
    assert main([*command, f"1={one / 1.1}", f"2={one / 0.8}"]) == 1
    assert "the largest error is 20.0%" in capsys.readouterr().out


def test_bad_input_gets_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["digitz"]) == 1
    assert main(["lenet_at_100", "--gpus", "1", "--step", "1"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: there is no experiment 'digitz'")
    assert second == "error: the cost of a stage of stability is not known; it should be given by --seconds stability=S"
    for wrong in (
        ["--gpus", "1"],
        ["--step", "1"],
        ["--jobs", "0"],
        ["--seconds", "prun=1"],
        ["--measured", "1"],
        ["--price", "-1"],
    ):
        with pytest.raises(SystemExit):
            main(["digits", *wrong])
        assert "Traceback" not in capsys.readouterr().err


SHOWN = re.findall(
    r"```console\n\$ python -m pipeline\.scale (.+)\n((?:.*\n)+?)```", (lottery.ROOT / "docs/scale.md").read_text()
)


@pytest.mark.parametrize(
    ("command", "output"),
    [pytest.param(*found, marks=() if found[0].startswith("lenet") else pytest.mark.slow) for found in SHOWN],
)
def test_the_page_shows_what_its_commands_print(command: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 0
    assert capsys.readouterr().out == output


def test_the_page_has_all_three_workloads() -> None:
    assert {command.split()[0] for command, _ in SHOWN} == {"lenet_paper", "conv2", "resnet20_rewind"}
