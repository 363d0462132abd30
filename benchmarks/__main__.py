"""`python -m benchmarks [NAME ...]`: runs the benchmarks and writes docs/benchmarks.json, docs/benchmarks.md and the plots.

Under ten minutes on two cores when nothing else runs. One that is run alone replaces its own part of the table.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import cuda, growth, machine, plots, results, stage, train_step, workload
from pipeline.files import store
from pipeline.values.errors import UserError

BENCHMARKS = {"step": train_step.run, "growth": growth.run, "stage": stage.run, "cuda": cuda.run}
DOCS = Path("docs")


def main(names: list[str]) -> None:
    """Raises: UserError that lists the benchmarks when one of the names is none of them."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise UserError(f"no benchmark is called {unknown[0]!r}; the benchmarks are {', '.join(BENCHMARKS)}")
    torch.set_num_threads(1)  # lanes are forked, and threads don't survive that
    work = workload.lenet()
    sections = _written()
    for name in [name for name in BENCHMARKS if name in names or not names]:
        print(f"{name} …", file=sys.stderr, flush=True)
        with machine.described() as about:
            section = BENCHMARKS[name](work)
        sections[name] = {"about": about, **results.as_json(section)}
        sections = {known: sections[known] for known in BENCHMARKS if known in sections}
        store.write_json(DOCS / "benchmarks.json", sections)
        store.write_bytes(DOCS / "benchmarks.md", results.markdown(sections).encode())
        plots.save(section.series, DOCS / "benchmarks")
        print(results.markdown_rows(name, section), flush=True)


def _written() -> dict[str, Any]:
    """The sections of the last runs; none when the file is not there or is not one of these."""
    try:
        found = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
        results.markdown(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StopIteration):
        return {}
    return dict(found)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
