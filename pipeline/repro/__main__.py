"""The command `python -m pipeline.repro`."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import ParseError
from dvc.utils.strictyaml import YAMLValidationError

import pipeline.repro
from pipeline.executors.processes import cores
from pipeline.repro import mend, plan
from pipeline.repro.run import Run
from pipeline.values.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline.repro", description=pipeline.repro.__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="a target as `dvc repro` takes it (default: dvc.yaml)")
    jobs = "how many stages run side by side (default: %(default)s; the number of cores, but 1 with a GPU or Ray)"
    parser.add_argument("--jobs", type=int, default=default_jobs(), help=jobs)
    given = parser.parse_args(arguments)
    if given.jobs < 1:
        parser.error(f"--jobs is {given.jobs}, but should be at least 1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return repro(given.targets or ["dvc.yaml"], given.jobs)
    except (DvcException, OSError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoints", file=sys.stderr)
        return 130


def default_jobs() -> int:
    """Stages that share a GPU may together not fit into its memory, and without an address each starts a Ray of its own."""
    shared = any(Path("/dev").glob("nvidia[0-9]*")) or os.environ.get("LOTTERY_EXECUTOR") == "ray"
    return 1 if shared else cores()


def repro(targets: Sequence[str], jobs: int) -> int:
    """Returns: the exit code, which is 1 when a stage failed. Raises: DvcException when there is no such target."""
    repo, steps, known = _begin(targets)
    run = Run(repo, steps, jobs)
    try:
        run.run()
    finally:
        plan.sort(repo, steps, known)
    for stage in run.failed:
        print(f"error: {stage.addressing} failed; its messages are above", file=sys.stderr)
    if run.skipped:
        names = ", ".join(stage.addressing for stage in steps.stages if stage in run.skipped)
        print(f"error: these stages were not run, because they depend on a stage that failed: {names}", file=sys.stderr)
    return 1 if run.failed else 0


def _begin(targets: Sequence[str]) -> tuple[Repo, plan.Plan, Mapping[Path, Sequence[str]]]:
    repo = Repo(_wait_for_lock=True)
    with repo.lock:
        mend.running_stages(repo)
        for path in mend.lock_files(repo):
            _say_mended(path)
        try:
            steps = plan.Plan(repo, targets)
            return repo, steps, plan.entries(steps)
        except (ParseError, YAMLValidationError) as error:
            if not mend.lock_file(Path(error.path)):
                raise
            _say_mended(Path(error.path))
    return _begin(targets)


def _say_mended(path: Path) -> None:
    print(
        f"warning: {os.path.relpath(path)} ended in the middle of an entry, as when DVC is killed while it writes the file. The "
        "entries before it are kept. Those of the stages of this run are recorded again, from DVC's run cache where it has them; "
        "`git diff` shows which others are missing",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
