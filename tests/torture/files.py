"""Damaged and forged files, each read as the stages read it: the written values, or one sentence that names the file."""

import gc
import json
import os
import random
import resource
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.values.errors import UserError
from tests.torture import Row, command_line, mutants
from tests.torture.readers import AWAY, Kind, kinds, world

BATCH = 500  # mutants read by one process
SECONDS = 5  # of the processor, for one mutant
MEMORY = 2**30  # more than the process had before
SHARE_FORGED = 0.2  # most are read to their end, where a damaged one ends at its checksum
Outcome = tuple[str, bool, str]  # the family of the file, whether its checksum is right, and what its reader did


def rows(count: int, seed: int) -> list[Row]:
    """Raises: AssertionError that names seed and case, and where the file was kept, when a reader does anything else."""
    found: Counter[Outcome] = Counter()
    with world() as folder:
        whole = {kind.path: kind.path.read_bytes() for kind in kinds()}
        expected = [kind.read() for kind in kinds()]
        gc.freeze()  # so that the garbage collector of a child skips what is there already
        for start in range(0, count, BATCH):
            found.update(_in_child(folder, seed, range(start, min(start + BATCH, count)), whole, expected))
    command = f"python -m tests.torture.files --count {count} --seed {seed}"
    table = []
    for family, is_forged in sorted({key[:2] for key in found}):
        of = {outcome: tries for (*key, outcome), tries in found.items() if (*key,) == (family, is_forged)}
        fault = f"{family}: {'other content with a valid checksum' if is_forged else 'damaged'}"
        table.append(Row(fault, sum(of.values()), ", ".join(f"{tries:,} {what}" for what, tries in sorted(of.items())), command))
    return table


def _in_child(folder: Path, seed: int, batch: range, whole: Mapping[Path, bytes], expected: Sequence[Any]) -> dict[Outcome, int]:
    """Tries these cases in a process with bounded memory, which dies of a case that takes too long."""
    report, place = folder / "report.json", folder / "case"
    child = os.fork()
    if not child:
        try:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
            report.write_text(json.dumps(_try(seed, batch, place, whole, expected)))
            os._exit(0)
        except BaseException:
            report.write_text(json.dumps(traceback.format_exc()))
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status:
        case = int(place.read_text())
        path, kept = kinds()[case % len(kinds())].path, Path(tempfile.mkdtemp(prefix="torture-files-"))
        shutil.copy(path if path.exists() else path.with_name(f"{path.name}.bad"), kept / path.name)
        code = os.waitstatus_to_exitcode(status)
        why = (
            json.loads(report.read_text()) if code == 1 else f"it was ended by {signal.Signals(-code).name}, which a hang causes"
        )
        raise AssertionError(f"seed {seed}, case {case}, file {kept / path.name}: {why}")
    return {(family, is_forged, outcome): tries for family, is_forged, outcome, tries in json.loads(report.read_text())}


def _try(
    seed: int, batch: range, place: Path, whole: Mapping[Path, bytes], expected: Sequence[Any]
) -> list[tuple[str, bool, str, int]]:
    """place: the file that always says which case is being tried."""
    found: Counter[Outcome] = Counter()
    with place.open("w") as marker:
        for case in batch:
            marker.seek(0)
            marker.write(str(case))
            marker.flush()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(12 * SECONDS)  # by the clock, on a machine that does other things too
            kind, draw = kinds()[case % len(kinds())], random.Random(f"{seed}.{case}")
            kind.path.write_bytes(whole[kind.path])
            is_forged = draw.random() < SHARE_FORGED
            if is_forged:
                what = mutants.forged(kind.path, draw)
            else:
                other = kind.other.read_bytes()
                what, content = mutants.damaged(whole[kind.path], other, draw)
                # A whole file in another one's place has a valid checksum, also with blanks or line ends more or less.
                is_forged = b"".join(content.split()) == b"".join(other.split())
                kind.path.write_bytes(content)
            found[kind.family, is_forged, _outcome(kind, expected[case % len(kinds())], is_forged, what)] += 1
            kind.path.write_bytes(whole[kind.path])
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return [(*key, tries) for key, tries in found.items()]


def _outcome(kind: Kind, expected: Any, is_forged: bool, what: str) -> str:
    try:
        value = kind.read()
    except UserError as error:
        said = str(error)
        named = [path for path in (kind.path, *(kind.beside if is_forged else ())) if str(path) in said]
        assert named, f"{what}: the sentence does not name {kind.path}: {said}"
        assert "dvc repro" in said, f"{what}: {said}"
        assert "\n" not in said, f"{what}: {said}"
        assert len(said) < 1000, f"{what}: {said}"
        assert "allocate" not in said and "MemoryError" not in said, f"{what}: {said}"
        return "refused with one sentence"
    if value == AWAY:
        return AWAY
    if repr(value) == repr(expected):
        return "read as they were written"
    assert is_forged, f"{what}: other values were read without a word"
    return "taken for what they say"


if __name__ == "__main__":
    command_line(rows, count=2000)
