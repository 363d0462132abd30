"""`python -m benchmarks [NAME ...]` runs the benchmarks and writes docs/benchmarks.json, docs/benchmarks.md and the plots.

All of them take under ten minutes on two cores when nothing else runs. A benchmark that runs alone replaces its own part of
the table. The data set MNIST has to be there: `dvc repro experiments/dvc.yaml:download_mnist` gets it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import cuda, growth, language, machine, plots, results, stage, structures, train_step, workload
from pipeline.files import store
from pipeline.values.errors import UserError

MODULES = {
    "step": train_step, "growth": growth, "stage": stage, "structures": structures, "language": language, "cuda": cuda,
}  # fmt: skip
BENCHMARKS = {name: module.run for name, module in MODULES.items()}
DOCS = Path("docs")


def main(names: list[str]) -> None:
    """Runs the benchmarks of these names, or all. Raises: UserError that lists the benchmarks for a name that none has."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise UserError(f"there is no benchmark {unknown[0]!r}; the name should be one of {', '.join(BENCHMARKS)}")
    torch.set_num_threads(1)  # lanes are forked, and threads don't survive that
    work = workload.lenet()
    sections = _written()
    for name in [name for name in BENCHMARKS if name in names or not names]:
        print(f"The benchmark {name} is running …", file=sys.stderr, flush=True)
        with machine.described() as about:
            section = BENCHMARKS[name](work)
        sections[name] = {"about": about, **results.as_json(section)}
        sections = {known: sections[known] for known in BENCHMARKS if known in sections}
        store.write_plain_json(DOCS / "benchmarks.json", sections)
        store.write_bytes(DOCS / "benchmarks.md", results.markdown(sections).encode())
        plots.save(section.series, DOCS / "benchmarks")
        print(results.markdown_rows(name, section), flush=True)


def _written() -> dict[str, Any]:
    """Reads the sections of earlier runs; there are none when the file is missing or holds something else."""
    try:
        found = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
        results.markdown(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StopIteration):
        return {}
    return dict(found)


def _names(arguments: list[str] | None = None) -> list[str]:
    """Reads the command line, whose help lists the benchmarks by the first line of their files."""
    told = [f"  {(module.__doc__ or '').splitlines()[0]}" for module in MODULES.values()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="\n".join(["benchmarks:", *told, ""]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; without a name, all of them run")
    return list(parser.parse_args(arguments).names)


if __name__ == "__main__":
    try:
        main(_names())
    except UserError as error:
        sys.exit(f"error: {error}")
