"""The simulation of chains on other machines, against times that can be computed by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scale.simulation import Phase, Stage, critical_path, simulate


def stage(name: str, needs: str = "", *phases: Phase) -> Stage:
    return Stage(name, frozenset(needs), phases)


CHAIN = [stage("a", "", Phase(2)), stage("b", "a", Phase(3)), stage("c", "b", Phase(4))]
FORK = [stage("a", "", Phase(1)), stage("b", "a", Phase(3)), stage("c", "a", Phase(5)), stage("d", "bc", Phase(2))]
# Four threads of 3 s beside one of 2 s on two cores: at 2/5 each, the short stage ends at 5 s, when the others have 1 s left each.
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
def test_small_graphs_take_the_time_that_was_computed_by_hand(stages: list[Stage], units: int, jobs: int, makespan: float) -> None:
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
