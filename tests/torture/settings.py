"""Mutated params.yaml and experiments/*.yaml: each is refused in a sentence, or accepted with its table and chains.

`python -m tests.torture.settings [--count N] [--seed S] [--case I]` reads them exactly as `--show` and the stages do, in forked
processes that may take 1 GiB of memory and, for each mutant, 10 s.
"""

import argparse
import gc
import io
import json
import os
import resource
import select
import signal
import sys
import tempfile
from collections import Counter
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import torch

from pipeline.dag import written
from pipeline.preview import estimate
from pipeline.settings import bounds, check, config, places, wording
from pipeline.values.errors import UserError
from stages import experiment_of, repeat_rounds
from tests import lottery
from tests.torture import Row, changes, hostile

AT_ONCE = 40  # mutants of one process
WITH_CHAINS = 10  # one mutant of so many also writes its chains, if it is accepted
SECONDS = 10  # of processor time for a mutant
SILENCE = 300  # seconds without an answer, which may pass while the processors are busy with something else
MEMORY = 2**30
FAULT = "params.yaml and experiments/*.yaml mutated: values, keys, names, tags, aliases, nesting, bytes"
LONGEST = 200 + wording.MOST  # with the name of the file and of the experiment


def rows(count: int, seed: int) -> list[Row]:
    """Raises: AssertionError that names the seed and the case, whose files are then in .lottery/torture."""
    found = tried(seed, range(count))
    chains = f"every {WITH_CHAINS}th mutant, if accepted, was also written as a chain, which agreed"
    outcome = f"{found['refused']:,} refused in a sentence, {found['accepted']:,} accepted, with a table that agrees; {chains}"
    return [Row(FAULT, count, outcome, f"python -m tests.torture.settings --count {count} --seed {seed}")]


def tried(seed: int, cases: range) -> Counter[str]:
    """How many were accepted and refused."""
    kept = Path(".lottery/torture").absolute()
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        prepare(Path(folder))
        warm_up()
        for start in range(cases.start, cases.stop, AT_ONCE):
            for case, (outcome, what) in in_child(seed, range(start, min(start + AT_ONCE, cases.stop))).items():
                if outcome == "wrong":
                    mutant = hostile.mutant(Random(f"{seed}/{case}"))
                    write(mutant, kept / f"settings-{seed}-{case}")
                    raise AssertionError(f"seed {seed}, case {case} ({mutant.how}): {what}; its files are in {kept}")
                found[outcome] += 1
    return found


def prepare(folder: Path) -> None:
    """A folder in which the stages can be run, with a package of plug-ins that fail in many ways."""
    for name in ("pipeline", "stages"):
        (folder / name).symlink_to(lottery.ROOT / name)
    (folder / "hostile").mkdir()
    (folder / "experiments").mkdir()
    for name, text in {"__init__": "", **changes.MODULES}.items():
        (folder / "hostile" / f"{name}.py").write_text(text)


def warm_up() -> None:
    """Runs once in the parent: each child inherits what was imported and found, and its garbage collector skips that."""
    import torchvision  # noqa: F401  # it takes seconds, in each child with a mutant that names a model of it

    torch.set_num_threads(1)  # a child has none of its parent's threads, and would wait for them
    with redirect_stdout(io.StringIO()):
        write(hostile.unchanged(), Path())
        _run()
    gc.freeze()


def write(mutant: hostile.Mutant, folder: Path) -> None:
    """Its files, and no others of settings."""
    (folder / "experiments/more.yaml").unlink(missing_ok=True)
    for name, data in mutant.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def in_child(seed: int, cases: range) -> dict[int, tuple[str, str]]:
    """The outcome of each case; a case that ends the process or that takes too long is wrong."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _child(seed, cases, sender)
    os.close(sender)
    said, waits = b"", True
    while waits and select.select([receiver], [], [], SILENCE)[0]:
        part = os.read(receiver, 65536)
        said, waits = said + part, bool(part)
    if waits:
        os.kill(child, signal.SIGKILL)
    os.close(receiver)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = {case: (outcome, what) for case, outcome, what in map(json.loads, said.splitlines())}
    missing = [case for case in cases if case not in found]
    if missing:
        known = {signal.SIGPROF: "took more than 10 s", signal.SIGKILL: f"said nothing for {SILENCE} s"}
        ended = known.get(-status, f"ended the process with {status}")
        found[missing[0]] = ("wrong", ended)
    return found


def _child(seed: int, cases: range, sender: int) -> None:
    """Says the outcome of each case, and ends the process without what would run at the end of the parent."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        limit()
        for case in cases:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            outcome = attempt(hostile.mutant(Random(f"{seed}/{case}")), with_chains=case % WITH_CHAINS == 0)
            os.write(sender, (json.dumps([case, *outcome]) + "\n").encode())
    finally:
        os._exit(0)


def limit() -> None:
    """A machine with little memory, and a person with little patience."""
    used = bounds._used()
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY // 2, used + MEMORY // 2))
    bounds.PATIENCE, estimate.LEAST = 3, 0.0


def attempt(mutant: hostile.Mutant, with_chains: bool) -> tuple[str, str]:
    """Whether the mutant is accepted, refused or wrong; and why, in words. with_chains: it takes half a second to write them."""
    write(mutant, Path())
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            settings = config.load()
            _run("--show")
            for name, experiment in settings.experiments.items():
                items = len(check.settings(name, experiment).lottery.items())
                assert f"{name}: " in said.getvalue(), f"its table says nothing of {name}"
                assert f"{items} items" in said.getvalue(), f"its table has no {items} items of {name}"
            if with_chains:
                _run()
                for name in written.wanted(settings):
                    _chain_agrees(name)
    except UserError as error:
        return _sentence(str(error))
    except AssertionError as error:
        return "wrong", f"it is accepted, but {error}"
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {str(error)[:300]}, at {_place(error)}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return ("accepted", "") if peak <= MEMORY else ("wrong", f"it took {peak:,} bytes of memory")


def _run(*arguments: str) -> None:
    before, sys.argv = sys.argv, ["repeat_rounds", *arguments]
    try:
        repeat_rounds.main()
    finally:
        sys.argv = before


def _chain_agrees(name: str) -> None:
    """Begins as every stage does, and holds the chain that was written against the settings."""
    items = experiment_of(name).lottery.items()
    chain = lottery.read_yaml(places.chain(name))
    made = 1 + sum(len(found) for found in chain["vars"][0]["arms"].values()) if chain["vars"] else 1
    assert made == len(items), f"the chain of {name} makes {made} items of {len(items)}"


def _sentence(message: str) -> tuple[str, str]:
    lines = message.splitlines()
    wrong = [line for line in lines if len(line) > LONGEST or not line.isprintable() or "Traceback" in line or not line.strip()]
    if wrong or not 1 <= len(lines) <= wording.MOST_FAULTS + 1:
        return "wrong", f"the message is no sentence: {message[:300]!r}"
    return "refused", message


def _place(error: BaseException) -> str:
    trace: Any = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only this one")
    given = parser.parse_args()
    if given.case is not None:
        print(dict(tried(given.seed, range(given.case, given.case + 1))))
    else:
        print(*rows(given.count, given.seed), sep="\n")
