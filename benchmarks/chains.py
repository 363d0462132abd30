"""What rounds and stages cost beside training: pruning, the writing of the DVC file, and DVC itself."""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import repository
from benchmarks.results import Section, Series, interleaved
from benchmarks.workload import Workload
from pipeline.criteria.magnitude import magnitude
from pipeline.dag import written
from pipeline.files import store
from pipeline.settings import check, config
from pipeline.settings.config import Config
from pipeline.values.experiment import ArmSettings, Experiment
from pipeline.values.lanes import TICKET

ROUNDS = (1, 2, 3, 5, 10, 20, 30)
STAGES = (5, 10, 20, 40)
ARMS = {"one_shot": ArmSettings(rounds="all"), "reinit": ArmSettings(rounds="all", draws=1)}


def rounds(work: Workload, counts: Sequence[int] = ROUNDS, repetitions: int = 3) -> Section:
    """Costs of an experiment that has a ticket, a one-shot ticket and a random reinitialisation in every round."""
    settings = config.load()
    expanded = {k: _with_rounds(settings, work, k) for k in counts}
    written.expand(settings, settings.experiments)  # a process reads the imports of the stages once
    pruned = interleaved({k: partial(prune_seconds, work, k) for k in counts}, repetitions)
    expansion = interleaved({k: partial(_expand_seconds, expanded[k]) for k in counts}, repetitions)
    counted = {k: [float(_stages(expanded[k].experiment("lenet")))] for k in counts}
    return Section(
        series=[
            Series.of(
                "rounds_prune", "rounds", "seconds of pruning", pruned, "These are all rounds of one replicate, with its files."
            ),
            Series.of("rounds_expansion", "rounds", "seconds of expanding the chain", expansion, "Every round has all arms."),
            Series.of("rounds_stages", "rounds", "stages in the chain", counted, "Every round has all arms."),
        ]
    )


def _with_rounds(settings: Config, work: Workload, count: int) -> Config:
    chosen = work.experiment.pruning.model_copy(update={"rounds": count})
    experiment = work.experiment.model_copy(update={"pruning": chosen, "arms": ARMS})
    return settings.model_copy(update={"experiments": {"lenet": experiment}, "report": ("lenet",), "reports": {}})


def prune_seconds(work: Workload, count: int) -> float:
    """Does for one replicate what the stage `prune` does, for so many rounds, and returns the seconds it took."""
    dense, plan = work.ticket(), work.setup().plans[TICKET]
    with tempfile.TemporaryDirectory() as folder:
        trained, masks = Path(folder, "trained.safetensors"), Path(folder, "mask.safetensors")
        store.write_arrays(trained, dense.weights)
        store.write_mask(masks, dense.mask)
        started = time.perf_counter()
        for k in range(1, count + 1):
            mask, arrays = store.read_mask(masks), store.read_arrays(trained)
            scores = magnitude({name: arrays[name] for name in mask})
            store.write_mask(masks, plan.prune(scores, mask, k))
        return time.perf_counter() - started


def _expand_seconds(settings: Config) -> float:
    started = time.perf_counter()
    written.expand(settings, settings.experiments)
    return time.perf_counter() - started


def _stages(experiment: Experiment) -> int:
    """Counts a training for each item, a pruning for each that has masks of its own, and aggregate, examine and plot."""
    lottery = check.settings("lenet", experiment).lottery
    items = lottery.items()
    return len(items) + sum(item != lottery.dense and not lottery.is_control(item) for item in items) + 3


def stages(counts: Sequence[int] = STAGES, repetitions: int = 2) -> Section:
    """Measures DVC's own cost: each stage copies a file of a few bytes that the one before it made."""
    with tempfile.TemporaryDirectory() as folder:
        made = {n: _trivial(Path(folder, str(n)), n) for n in counts}
        ran = interleaved({n: partial(repository.dvc_seconds, made[n], "repro", "--force") for n in counts}, repetitions)
        idle = interleaved({n: partial(repository.dvc_seconds, made[n], "repro") for n in counts}, repetitions + 1)
    start = "The time includes DVC's own start."
    return Section(
        series=[
            Series.of("stages", "stages", "seconds of dvc repro", ran, start, SCANS),
            Series.of("stages_idle", "stages", "seconds of dvc repro with nothing to do", idle, start, SCANS),
        ]
    )


SCANS = "DVC builds its graph of all stages again for every stage; that is its code, not ours."


def _trivial(folder: Path, count: int) -> Path:
    folder.mkdir()
    (folder / "s0").write_text("start\n")
    stages_ = {f"copy{k}": {"cmd": f"cp s{k - 1} s{k}", "deps": [f"s{k - 1}"], "outs": [f"s{k}"]} for k in range(1, count + 1)}
    store.write_plain_json(folder / "dvc.yaml", {"stages": stages_})  # JSON is YAML
    repository.init_dvc(folder)
    return folder
