"""`dvc repro` of digits is killed at random moments and at once run again: `python -m tests.torture.kills --count 200`.

What is killed is DVC, a stage, DVC with all its processes, a lane's process, or the mirror into MLflow. The runs have a few
stages to do, of which the first is of a kind drawn at random, so that every kind and every moment of it is hit.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise, product

import psutil
from ruamel.yaml.error import YAMLError

from tests.torture import Row, command_line
from tests.torture.scene import CHAIN, DVC, LOCKS, Clone, Run, as_in_a_terminal, emptied_record, record_of, scenes

WHOM = {
    "dvc": "DVC", "all": "DVC with all its processes", "stage": "a stage", "worker": "a lane's process", "tracker": "the mirror",
}  # fmt: skip
HOW = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CLONES = 3  # side by side on two cores, because a run often waits
TOGETHER = 30  # kills, after which a run may end
STAGES = 3  # that are to be done again meanwhile
KINDS = ("download", "train_dense", "prune", "retrain", "control", "aggregate", "examine", "plot")
ENDS = 10.0  # seconds after which nothing of a killed run may be left, on a machine on which DVC starts in STARTUP seconds
STARTUP = 4.0
UNREADABLE = ("dvc.lock' validation failed", "YAML file structure is corrupted")  # of a lock file that DVC was writing
UNREADABLE_TOO = "Unable to read RWLock-file"  # of what stages read and write, which DVC writes in place as well
LOOKING = "in _get_module_details"  # the function of Python that imports `stages` before the module of a stage
STOPPED, WENT_ON, CUT = "stopped the run", "let it go on", "cut DVC's lock file short (mended by the next run)"
CUT_TOO = "cut DVC's list of running stages short (mended by the next run)"
MENDS = (sys.executable, "-m", "pipeline.repro", str(CHAIN))


class Kills:
    """Kills in one clone in which `whole`, an undisturbed run, has ended."""

    def __init__(self, clone: Clone, whole: Run, dice: random.Random, case: str) -> None:
        self.clone, self.dice, self.case = clone, dice, case
        self.expected, self.stages = clone.content(), clone.stages()
        self.seconds: dict[str, float] = {}
        self._learn(whole)
        self.seconds[whole.starts[-1][1]] = whole.ended_at - whole.starts[-1][0]
        self.seen: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.tracebacks, self.longest = 0, 0.0
        self.victim, self.cut_by = "", ""  # cut_by: the victim since whose death DVC's lock files have lacked entries
        self.dying: list[Future[tuple[list[psutil.Process], list[psutil.Process]]]] = []
        self.watch = ThreadPoolExecutor(TOGETHER)

    def all(self, kills: list[tuple[str, signal.Signals]]) -> None:
        """Those of the mirror are apart, because only they need it, and first, because they often wait."""
        for is_mirrored in (True, False):
            alike = [kill for kill in kills if (kill[0] == "tracker") == is_mirrored]
            for first in range(0, len(alike), TOGETHER):
                self._together(alike[first : first + TOGETHER], is_mirrored)

    def _learn(self, run: Run) -> None:
        """How long DVC needs to start and each stage needs to end, beside all that runs now."""
        if run.starts:
            self.startup = run.starts[0][0] - run.began
        for (start, stage), (end, _) in pairwise(run.starts):
            self.seconds[stage] = end - start

    def _together(self, kills: list[tuple[str, signal.Signals]], is_mirrored: bool) -> None:
        if is_mirrored:
            emptied_record(self.clone)
        self._undo()
        run = self._repro(is_mirrored)
        for victim, how in kills:
            while not self._kill(run, victim, how):
                self._finish(run, is_mirrored)
                self._undo()
                run = self._repro(is_mirrored)
            if run.ended:
                self._judge(run)
                run = self._repro(is_mirrored)
        self._finish(run, is_mirrored)

    def _finish(self, run: Run, is_mirrored: bool) -> None:
        """Lets the run end, and runs again when something in it was killed."""
        while self._judge(run) != 0:
            run = self._repro(is_mirrored)
        self._compare()

    def _undo(self) -> None:
        """Removes the outputs of a few stages, also from DVC's cache, from which they would come back."""
        kind, order = self.dice.choice(KINDS), list(self.seconds)
        first = self.dice.choice([i for i, stage in enumerate(order) if kind in stage.split(":")[1]])
        self.clone.undo(order[first : first + STAGES])

    def _repro(self, is_mirrored: bool) -> Run:
        shell = self.dice.choice(["/bin/sh", "/bin/bash"])  # a shell may stay between DVC and the stage
        return Run(self.clone, *DVC, "repro", str(CHAIN), SHELL=shell, LOTTERY_TRACKING="" if is_mirrored else "off")

    def _kill(self, run: Run, victim: str, how: signal.Signals) -> bool:
        """Waits for a moment, kills, and waits until the run has ended or goes on. Returns: False when it had ended before."""
        process, since = self._at_a_moment(run, victim)
        doomed = run.processes()
        try:
            if process is None:
                raise ProcessLookupError
            os.killpg(process.pid, how) if victim == "all" else process.send_signal(how)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False
        self.victim, moment, stage = victim, time.monotonic(), run.starts[-1][1] if run.starts else "the start of DVC"
        stopped = victim != "tracker" and self._stops(run, how)
        if stopped:
            self.longest = max(self.longest, moment - since)
            self.dying.append(self.watch.submit(psutil.wait_procs, doomed, self.ends))
        self.kinds[stage.split(":")[-1].split("@")[0].split("_")[0]] += 1
        self.seen[victim, STOPPED if stopped else WENT_ON] += 1
        what = f"{how.name} of {WHOM[victim]} in {stage} {STOPPED if stopped else WENT_ON}"
        print(f"{self.case}: {what}", file=sys.stderr, flush=True)
        return True

    def _stops(self, run: Run, how: signal.Signals) -> bool:
        """Whether the run ends. It goes on when DVC or a lane ignores SIGINT, and when the stage was done."""
        run.hurt.add(how)
        stages, end = len(run.starts), time.monotonic() + self.ends
        while not run.ended and len(run.starts) == stages and time.monotonic() < end:
            time.sleep(0.05)
        return run.ended

    @property
    def ends(self) -> float:
        return ENDS * max(1.0, self.startup / STARTUP)

    def _at_a_moment(self, run: Run, victim: str) -> tuple[psutil.Process | None, float]:
        """Returns: the victim, and since when the work of the stage in which it dies is lost."""
        if not run.starts and victim in ("dvc", "all") and self.dice.random() < 0.2:
            time.sleep(self.dice.uniform(0, self.startup))
            return run.process, time.monotonic()
        if victim == "tracker":
            return self._mirror(run), time.monotonic()
        before = len(run.starts)
        while len(run.starts) == before and not run.ended:
            time.sleep(0.02)
        if run.ended:
            return None, time.monotonic()
        since, stage = run.starts[-1]
        end = since + self.dice.uniform(0, 0.5 if victim == "worker" else 1) * self.seconds[stage]
        time.sleep(max(0.0, end - time.monotonic()))
        find = {"dvc": lambda: run.process, "all": lambda: run.process, "stage": run.stage, "worker": run.worker}[victim]
        while not (process := find()) and not run.ended:
            time.sleep(0.1)
        return process, run.starts[-1][0]

    def _mirror(self, run: Run) -> psutil.Process | None:
        """It is as long at work as DVC needs to start."""
        while not (process := run.tracker()):
            if run.ended:
                return None
            time.sleep(0.2)
        time.sleep(self.dice.uniform(0, self.startup))
        return process

    def _judge(self, run: Run) -> int:
        """Waits for the run's end. Returns: its exit code, other than 0 only if something in it was killed before."""
        code = run.wait(900)
        self._learn(run)
        if "Traceback" in run.said:
            # Ctrl-C while DVC is still importing itself; where the exception is caught, half of an import may be what remains.
            # Or while Python is still looking for the module of a stage, before any code of ours can have a handler.
            is_told = "\nKeyboardInterrupt" in run.said or "ERROR: interrupted by the user" in run.said
            is_ours = f'File "{self.clone.folder}' in run.said and LOOKING not in run.said
            assert signal.SIGINT in run.hurt and is_told and not is_ours, f"{self.case}: a traceback:\n{run.said}"
            self.tracebacks += 1
        if any(text in run.said for text in UNREADABLE):
            self.cut_by = self.cut_by or self.victim
            self._mend()
        elif UNREADABLE_TOO in run.said:
            self.seen[self.victim, CUT_TOO] += 1
            self._mend()
        else:
            assert code == 0 or run.hurt, f"{self.case}: nothing was killed, but `dvc repro` failed:\n{run.said}"
            if not self._lock_is_whole():
                self.cut_by = self.cut_by or self.victim
        return code

    def _mend(self) -> None:
        assert "Traceback" not in self.clone.call(*MENDS).said

    def _lock_is_whole(self) -> bool:
        """Whether DVC's files hold all stages; when they cannot be read, the next run says so."""
        try:
            return self.clone.stages().keys() == self.stages.keys()
        except (OSError, YAMLError, AttributeError, KeyError, TypeError):
            return True

    def _compare(self) -> None:
        for _, alive in (future.result() for future in self.dying):
            left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
            assert not left, f"{self.case}: {left} of a killed run were there {self.ends:.0f} s later"
        self.dying.clear()
        if self.cut_by:  # the entries are in another order afterwards
            assert self.clone.stages() == self.stages, f"{self.case}: DVC's lock files are other ones"
            self.clone.git("checkout", "--", *map(str, LOCKS))
            self.seen[self.cut_by, CUT] += 1
            self.cut_by = ""
        found = self.clone.content()
        other = [name for name in found.keys() | self.expected.keys() if found.get(name) != self.expected.get(name)]
        assert not other, f"{self.case}: {', '.join(sorted(other))} are not those of an undisturbed run"


def rows(count: int, seed: int) -> list[Row]:
    as_in_a_terminal()
    dice = random.Random(seed)
    kills = _drawn(count, dice)
    with scenes(CLONES) as (clones, whole):
        shares = [
            Kills(clone, whole, random.Random(dice.random()), f"--seed {seed}, clone {i + 1} of {CLONES}")
            for i, clone in enumerate(clones)
        ]
        with ThreadPoolExecutor(CLONES) as side_by_side:
            for done in [side_by_side.submit(share.all, kills[i::CLONES]) for i, share in enumerate(shares)]:
                done.result()
        records = [record_of(clone) for clone in clones if (clone.folder / "mlflow.db").exists()]
    return _table(count, seed, shares, records)


def _drawn(count: int, dice: random.Random) -> list[tuple[str, signal.Signals]]:
    """Each victim dies by each signal about equally often; the mirror a quarter as often, as tracker.py kills syncs."""
    pairs = [pair for pair in product(WHOM, HOW) for _ in range(1 if pair[0] == "tracker" else 4)]
    return [pair for _ in range(0, count, len(pairs)) for pair in dice.sample(pairs, len(pairs))][:count]


def _table(count: int, seed: int, shares: list[Kills], records: list[str]) -> list[Row]:
    seen, kinds = sum((share.seen for share in shares), Counter()), sum((share.kinds for share in shares), Counter())
    found = []
    for victim, name in WHOM.items():
        tries = {what: n for (whom, what), n in seen.items() if whom == victim}
        said = ", ".join(f"{n} {what}" for what, n in tries.items())
        more = f"; {records[0]}" if victim == "tracker" and records else ""
        count_of = sum(n for what, n in tries.items() if what in (STOPPED, WENT_ON))
        found.append(
            Row(f"SIGKILL, SIGTERM, SIGINT or SIGHUP of {name}", count_of,
                f"{said}; the files are those of an undisturbed run{more}",
                f"python -m tests.torture.kills --count {count} --seed {seed}")
        )  # fmt: skip
    lost = max(share.longest for share in shares)
    where = ", ".join(f"{kind} {n} times" for kind, n in kinds.most_common())
    found.append(
        Row("all these kills together", sum(kinds.values()),
            f"no process was left {max(share.ends for share in shares):.0f} s later, at most {lost:.0f} s of work were repeated, "
            f"{sum(share.tracebacks for share in shares)} tracebacks of Ctrl-C while DVC or a stage was starting; "
            f"the kills hit {where}",
            f"python -m tests.torture.kills --count {count} --seed {seed}")
    )  # fmt: skip
    return found


if __name__ == "__main__":
    command_line(rows, count=200)
