"""Two `dvc repro`, or two workers of DVC's queue, at once: `python -m tests.torture.together --count 2`."""

import random
import re
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from tests.torture import Row, command_line
from tests.torture.scene import CHAIN, DVC, LOCKS, Clone, Run, as_in_a_terminal, scenes

TWIN = "digits_twin"  # another experiment with the data set of digits
# What the one that is refused says: it names the process that is in its way.
BUSY = re.compile(r"is busy, it is being blocked by|is being trained by process \d+; wait for it|Unable to acquire lock")
DOWNLOAD = "experiments/dvc.yaml:download_digits"
QUICK = ("--set-param", "experiments.digits.training.iterations=200")
RATES = {"first": "0.004", "second": "0.006"}


def rows(count: int, seed: int) -> list[Row]:
    as_in_a_terminal()
    dice = random.Random(seed)
    command = f"python -m tests.torture.together --count {count} --seed {seed}"
    with scenes(1) as ((clone,), _):
        return [
            Row(fault, tries, outcome, command)
            for fault, tries, outcome in (
                ("two `dvc repro` of one chain at once", count, _one_chain(clone, count, dice, seed)),
                ("two `dvc repro` of chains with one data set at once", count, _one_data_set(clone, count, dice, seed)),
                ("`dvc exp run --queue` twice, then `dvc queue start --jobs 2`", 1, _queue(clone, seed)),
            )
        ]


def _one_chain(clone: Clone, count: int, dice: random.Random, seed: int) -> str:
    expected, refused = clone.content(), 0
    for _ in range(count):
        clone.undo([DOWNLOAD, *(f"{CHAIN}:{stage}" for stage in ("train_dense", "prune@r01", "retrain@r01"))])
        refused += _both(clone, [CHAIN, CHAIN], dice.uniform(0, 8), expected, seed)
    return f"{_were(refused)} refused and named the process in the way; the files are those of an undisturbed run"


def _one_data_set(clone: Clone, count: int, dice: random.Random, seed: int) -> str:
    """The second chain is that of another experiment, which is as short as possible."""
    yaml = YAML(typ="safe")
    twin = dict(yaml.load(clone.folder / "params.yaml")["experiments"]["digits"], seeds=[1], arms={})
    twin["training"] = twin["training"] | {"iterations": 100}
    twin["pruning"] = twin["pruning"] | {"rounds": 1}
    yaml.dump({"experiments": {TWIN: twin}}, clone.folder / "experiments/twin.yaml")
    clone.call(sys.executable, "-m", "stages.repeat_rounds", TWIN)
    other = Path(f"experiments/{TWIN}/dvc.yaml")
    clone.call(*DVC, "repro", str(other))
    expected, refused = clone.content(), 0
    for _ in range(count):
        clone.undo([DOWNLOAD, f"{CHAIN}:train_dense"])
        clone.forget(TWIN)
        refused += _both(clone, [CHAIN, other], dice.uniform(0, 3), expected, seed)
    return f"{_were(refused)} refused and named the process in the way; right when run again"


def _were(number: int) -> str:
    return f"{number} {'was' if number == 1 else 'were'}"


def _both(clone: Clone, targets: list[Path], seconds: float, expected: dict[str, bytes], seed: int) -> int:
    """Runs both, and afterwards both again, in case one was refused. Returns: how many were refused."""
    first = Run(clone, *DVC, "repro", str(targets[0]))
    time.sleep(seconds)
    runs, refused = [first, Run(clone, *DVC, "repro", str(targets[1]))], 0
    for run in runs:
        code = run.wait(1800)
        assert "Traceback" not in run.said, f"--seed {seed}: a traceback:\n{run.said}"
        assert code == 0 or BUSY.search(run.said), f"--seed {seed}: neither done nor refused:\n{run.said}"
        if code:
            refused += 1
            print(run.said[run.said.index("ERROR") :], file=sys.stderr, flush=True)
    for target in targets:
        clone.call(*DVC, "repro", str(target))
    assert clone.content() == expected, f"--seed {seed}: the files are not those of runs one after the other"
    return refused


def _queue(clone: Clone, seed: int) -> str:
    """Two experiments with other settings side by side, each of which is then run alone by `dvc repro`."""
    clone.shorten(rounds=1, controls=False)
    clone.git("add", "params.yaml", "experiments/digits/dvc.yaml")
    clone.git("commit", "--quiet", "--message", "shorter")
    for name, rate in RATES.items():
        settings = (*QUICK, "--set-param", f"experiments.digits.optimizer.lr={rate}")
        clone.call(*DVC, "exp", "run", "--queue", "--name", name, *settings, str(CHAIN))
    clone.call(*DVC, "queue", "start", "--jobs", "2")
    end = time.monotonic() + 1800
    while (said := clone.call(*DVC, "queue", "status").said).count("Success") < len(RATES):
        assert "Failed" not in said and time.monotonic() < end, f"--seed {seed}: the queue did not end well:\n{said}"
        time.sleep(5)
    for name in RATES:
        ref = clone.git("for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}").strip()
        queued = clone.git("show", f"{ref}:{LOCKS[0]}")
        clone.git("checkout", ref, "--", "params.yaml")
        clone.forget("digits")
        clone.call(*DVC, "repro", str(CHAIN))
        assert queued == (clone.folder / LOCKS[0]).read_text(), f"--seed {seed}: the lock of {name} is not that of a run alone"
        clone.git("reset", "--quiet", "--hard")
    return "both ended with the lock files that they have when each is run alone"


if __name__ == "__main__":
    command_line(rows, count=2)
