"""Writes the chains of rounds from params.yaml into dvc.yaml files; `--show` tells what they hold and cost."""

import argparse
import sys

from pipeline import chain, plan
from pipeline.files.store import write_bytes
from pipeline.values import config
from pipeline.values.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--show", nargs="*", metavar="EXPERIMENT", help="print stages, densities and lane-iterations; write nothing"
    )
    shown = parser.parse_args().show
    settings = config.load()
    if shown is None:
        for path, text in chain.expand(settings).items():
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                write_bytes(path, text.encode())
                print(f"wrote {path}")
        return
    for name in shown or settings.experiments:
        print(plan.show(name, settings.experiment(name)))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
