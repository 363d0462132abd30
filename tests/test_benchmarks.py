"""The benchmarks in miniature: what they would claim is not looked at, only that they measure and how they tell it."""

import math
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import (
    chains,
    choices,
    cuda,
    growth,
    language,
    loops,
    operations,
    peak,
    plots,
    processes,
    results,
    stage,
    structures,
    train_step,
)
from benchmarks.results import Row, Section, Series
from benchmarks.workload import Workload
from pipeline.domain.bundle import Form
from pipeline.settings import config
from pipeline.training import products
from pipeline.values.errors import UserError
from pipeline.values.experiment import Model, Training

SMALL = Form(train=130, test=70, shape=(1, 4, 4), classes=3)


@pytest.fixture
def work() -> Workload:
    digits = config.load().experiment("digits")
    training = Training(iterations=600, batch_size=20, evaluate_every=4)
    model = Model.model_validate({"name": "lenet", "hidden": [8, 6]})
    data = digits.data.model_copy(update={"validation": 30})
    return Workload(
        digits.model_copy(update={"training": training, "model": model, "data": data}), SMALL.noise(SMALL.train, SMALL.test)
    )


def test_an_unknown_name_lists_the_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as told:
        command.main(["step", "speed"])
    assert "'speed'" in str(told.value)
    assert "step, growth, stage, structures, language, cuda" in str(told.value)
    assert capsys.readouterr().out == ""


def test_the_help_lists_the_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command._names(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name}: " in said for name in command.BENCHMARKS)


def test_missing_data_names_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("params.yaml", "experiments", "pipeline"):
        (tmp_path / name).symlink_to(Path(name).absolute())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"mnist.safetensors is missing; `dvc repro .*download_mnist` makes it"):
        command.main(["cuda"])


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power: float) -> None:
    xs = [1.0, 2.0, 5.0, 30.0]
    assert results.exponent(xs, [3 * x**power for x in xs]) == pytest.approx(power, abs=1e-9)
    for bad in ([1.0, 0.0, 2.0, 3.0], [1.0, -1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="power law"):
            results.exponent(xs, bad)


def test_the_linear_share_is_what_a_fixed_cost_leaves() -> None:
    xs = [1.0, 2.0, 4.0, 8.0]
    assert results.linear_share(xs, [2 * x for x in xs]) == pytest.approx(1)
    assert results.linear_share(xs, [16 + 2 * x for x in xs]) == pytest.approx(0.5)
    assert results.linear_share(xs, [5.0] * 4) == pytest.approx(0, abs=1e-9)
    assert results.linear_share(xs, [9 - x for x in xs]) == 0


def test_growth_worse_than_linear_is_explained_and_no_other() -> None:
    xs = (1, 2, 4, 8, 16)
    linear = Series.of("a", "lanes", "s", {x: [1.0 * x] for x in xs}, "Noted.", "Because.")
    assert linear.note == "Noted."
    square = Series.of("a", "lanes", "s", {x: [1.0 * x * x] for x in xs}, "Noted.", "Because.")
    assert square.note == "Noted. Because."
    # A fixed cost hides the square at small sizes.
    hidden = Series.of("a", "lanes", "s", {x: [50.0 + x * x] for x in xs}, why="Because.")
    assert hidden.exponent < 1.1
    assert Series.of("a", "lanes", "s", {x: [20.0 + x * x] for x in (1, 2, 4, 32, 64, 128)}, why="Because.").note == "Because."
    assert "not yet explained" in Series.of("a", "lanes", "s", {x: [1.0 * x * x] for x in xs}).note


def test_the_table_tells_medians_targets_and_what_was_not_measured() -> None:
    rows = [Row.of("ratio", "x", [3.0, 1.0, 2.5], ">= 2"), Row.of("time", "ms", [2.0, 3.0], "<= 1.25"), Row("GPU", "ms", None)]
    series = Series.of("lanes", "lanes", "seconds", {n: [2.0 * n] for n in (1, 2, 4)})
    sections = {"step": {"about": {"date": "today", "GPU": "none"}, **results.as_json(Section(rows, [series]))}}
    lines = [[c.strip() for c in line.split("|")[1:-1]] for line in results.markdown(sections).splitlines() if "|" in line]
    assert ["step", "ratio", "2.5 x", "1 – 3", "3", ">= 2", "yes", ""] in lines
    assert ["step", "time", "2.5 ms", "2 – 3", "2", "<= 1.25", "no", ""] in lines
    assert ["step", "GPU", "not measured", "", "", "", "", ""] in lines
    assert any(line[:3] == ["step", "seconds against lanes, 1 – 4", "x^1.00 (top: x^1.00)"] for line in lines)
    assert ["step", "today", "none"] in lines
    assert "benchmarks/lanes.svg" in results.markdown(sections)


def test_a_benchmark_run_alone_leaves_the_others_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DOCS", tmp_path)
    monkeypatch.setattr(command.workload, "lenet", lambda: None)
    for name in ("cuda", "step"):
        monkeypatch.setitem(command.BENCHMARKS, name, lambda _, name=name: Section([Row.of(f"made by {name}", "s", [1.0])]))
        command.main([name])
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.index("made by step") < text.index("made by cuda")
    (tmp_path / "benchmarks.json").write_text('{"step": 3}')
    command.main(["cuda"])
    assert "made by step" not in (tmp_path / "benchmarks.md").read_text()


def test_without_a_gpu_nothing_is_measured_on_it(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = cuda.run(work, repetitions=1, steps=1).rows
    gpu = [row for row in rows if "CPU" not in row.measured]
    assert len(gpu) == len(cuda.LANES) + 1 + len(cuda.DEEP)
    assert all(row.value is None and row.met is None and "no CUDA device" in row.note for row in gpu)
    assert all(row.value for row in rows if "CPU" in row.measured)


def test_out_of_memory_names_the_lanes_that_fit(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    def stepping(work: Workload, tickets: list[object], device: object) -> object:
        if len(tickets) > 5:
            raise torch.OutOfMemoryError("no more")
        return lambda: None

    monkeypatch.setattr(cuda, "stepping", stepping)
    assert "5 lanes fit" in cuda.lenet(work, 20, loops.CPU, 1, 1).note
    assert cuda.lenet(work, 4, loops.CPU, 1, 1).value is not None

    def afresh(function: object, work: Workload, count: int, *more: int) -> processes.Memory:
        if count > 2:
            raise processes.OutOfMemoryError
        return processes.Memory(100.0 * count, 50.0 * count)

    monkeypatch.setattr(processes, "afresh", afresh)
    found = growth.memory(work, (1, 2, 4))
    assert [row.note.split(": ")[1] for row in found.rows] == ["2 lanes fit."] * 2
    assert [series.xs for series in found.series] == [(1, 2)] * 3


def test_a_failing_process_ends_the_benchmark() -> None:
    def memory() -> processes.Interval:
        raise MemoryError

    def fault() -> processes.Interval:
        sys.exit(3)

    with pytest.raises(processes.OutOfMemoryError):
        processes.seconds(memory, 1, 2)
    with pytest.raises(RuntimeError, match="failed"):
        processes.seconds(fault, 1, 2)


@pytest.mark.slow
def test_step_in_miniature(work: Workload) -> None:
    rows = train_step.run(work, 1, (1, 1, 1), (0, 1)).rows
    assert len(rows) == 9
    assert all(row.value and row.value > 0 for row in rows)
    assert [row.target for row in rows][:4] == [">= 10", ">= 2", ">= 0.75", ">= 1.5"]


def test_the_operations_of_an_iteration_are_counted(work: Workload) -> None:
    forward = 2 * (16 * 8 + 8 * 6 + 6 * 3)
    backward = forward + 2 * (8 * 6 + 6 * 3)
    assert peak.operations(work) == 20 * (forward + backward) + forward * (30 + 70) / 4


@pytest.mark.slow
def test_growth_in_miniature(work: Workload, tmp_path: Path) -> None:
    found = [
        growth.lanes(work, (1, 2, 3), 4, 1),
        growth.width(work, (1, 2), 1, 1),
        growth.density(work, (0, 1), 1, 1),
        chains.rounds(work, (1, 2), 1),
    ]
    series = [s for section in found for s in section.series]
    names = ["lanes", "width", "weights", "density", "rounds_prune", "rounds_expansion", "rounds_stages"]
    assert [s.name for s in series] == names
    assert all(math.isfinite(s.exponent) and min(s.ys) > 0 for s in series)
    assert series[-1].ys == (9, 14)
    plots.save(series[:1], tmp_path)
    assert "<svg" in (tmp_path / "lanes.svg").read_text()
    for taken in (growth.pool_memory(work, 2, 4), growth.batched_memory(work, 2)):
        assert taken.largest > 10
        assert taken.private > 10


@pytest.mark.slow
def test_a_stage_in_miniature(work: Workload) -> None:
    rows = stage.overhead(work.bundle, 1, ["digits"])
    assert [row.n for row in rows] == [1, 1, 1]
    before, after, both = (row.value or 0 for row in rows)
    assert both == pytest.approx(before + after)


def test_structures_in_miniature(work: Workload) -> None:
    rows = structures.run(work, 1, 1, (1, 2)).rows
    assert [row.measured.split(",")[0] for row in rows if "GPU" not in row.measured] == [
        "dense / whole units", "dense / single weights", "dense / whole units", "dense / single weights", "dense",
    ]  # fmt: skip
    assert all(row.value and row.value > 0 for row in rows)


@pytest.mark.slow
def test_cuda_in_miniature_on_the_cpu(work: Workload) -> None:
    assert cuda.lenet(work, 2, loops.CPU, 1, 2).value
    assert cuda.conv(loops.CPU, lanes=2, repetitions=1, steps=1, depth=2).value
    assert cuda.alone("Conv-2", loops.CPU, lanes=2, repetitions=1, steps=1).value


def test_profile_and_choices_in_miniature(work: Workload) -> None:
    assert sum(share for _, _, share in operations.shares(work, 0, 1)) == pytest.approx(1)
    assert set(operations.parts(work, 0, 1)) == {"batch", "gradients", "optimizer", "mask", "evaluation"}
    rows = choices.compared(choices.backward() | choices.optimizers() | choices.products(0.1) | choices.bf16(), 1, 1)
    assert len(rows) == 7
    assert len(choices.compared(choices.libraries(), 1, 1)) == (3 if products.available() else 0)
    assert loops.CPU.type == "cpu"


@pytest.mark.slow
def test_dvc_in_miniature() -> None:
    assert [series.name for series in chains.stages((1, 2), 1).series] == ["stages", "stages_idle"]
    assert (stage.idle(1, 1).value or 0) > 0


def test_tokens_per_second_of_both_loops_of_a_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "cores", lambda: 1)
    small = language.gpt_char()
    training = small.experiment.training.model_copy(update={"batch_size": 4, "evaluate_every": 2, "precision": "fp32"})
    model = Model.model_validate({"name": "gpt", "depth": 1, "width": 8, "heads": 2})
    form = Form(train=70, test=8, shape=(6,), classes=5, target=(6,), scaled=False, words=5, own_validation=True)
    work = Workload(small.experiment.model_copy(update={"training": training, "model": model}), form.noise(70, 8))
    ratio, plain, ours = language.measured(work, 1, 1).rows
    assert ratio.value == pytest.approx((ours.value or 0) / (plain.value or 1))
    assert (plain.unit, ratio.unit, ratio.n) == ("tokens/s", "x", 1)
    monkeypatch.setattr(language, "seconds", lambda loop, times, lanes: 3.0)
    assert language.per_second(work, loops.ours(work), 24, 2) == 2 * 2 * 24 / 3  # intervals, iterations and tokens of each
