"""Writes the chains of rounds from params.yaml and experiments/*.yaml as DVC files; `--show` prints their content and cost."""

import argparse
import sys

from pipeline.claims import ledger
from pipeline.dag import written
from pipeline.files.store import write_bytes
from pipeline.preview import show
from pipeline.settings import check, config, places
from pipeline.values.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="chains to write besides those in use, or to show")
    parser.add_argument(
        "--show", action="store_true", help="print stages, densities and cost of these chains or all; write nothing"
    )
    given = parser.parse_args()
    settings = config.load()
    for name in given.experiments:
        settings.experiment(name)
    if given.show:
        for name in given.experiments or settings.experiments:
            print(show.show(name, settings.experiment(name)))
        return
    if places.CLAIMS.is_file():
        ledger.read(settings)
    names = written.wanted(settings).union(given.experiments)
    for name in sorted(names):
        check.without_data(check.settings(name, settings.experiment(name)))
    for path, text in written.expand(settings, names).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_bytes(path, text.encode())
            print(f"wrote {path}")


def run() -> None:
    """Ends with exit code 1 and one sentence on bad input."""
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped; the same command begins again", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run()
