"""Writes the chains of rounds from params.yaml into dvc.yaml files; `--show` tells what they hold and cost."""

import argparse
import sys

from pipeline import chain, plan
from pipeline.files.store import write_bytes
from pipeline.settings import config
from pipeline.values.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="chains to write or show besides those in use")
    parser.add_argument("--show", action="store_true", help="print stages, densities and cost of these or all; write nothing")
    given = parser.parse_args()
    settings = config.load()
    for name in given.experiments:
        settings.experiment(name)
    if given.show:
        for name in given.experiments or settings.experiments:
            print(plan.show(name, settings.experiment(name)))
        return
    for path, text in chain.expand(settings, chain.wanted(settings).union(given.experiments)).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_bytes(path, text.encode())
            print(f"wrote {path}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
