"""`python -m pipeline.headline [--since SECONDS] [EXPERIMENT …]` prints the headline results, the path of the report
and how the time was spent."""

import argparse
import sys
import time
from collections.abc import Mapping

from pipeline.claims.verdicts import Verdicts
from pipeline.executors import notes
from pipeline.figures.shown import Shown
from pipeline.report.findings import findings
from pipeline.results.metric import Metric
from pipeline.results.outcome import Outcome
from pipeline.settings import check, config, measured, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.errors import UserError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--since", type=float, metavar="SECONDS", help="the start of the run, in Unix time; prints how its time was spent"
    )
    parser.add_argument("experiments", nargs="*", help="the experiments to summarise, instead of those in report:")
    given = parser.parse_args()
    settings = config.load()
    names = given.experiments or settings.report
    annealed = {name: measured.is_annealed(settings.experiment(name)) for name in names}
    print("\n" + headline(settings, {name: Outcome.read(name, settings.margin, annealed=annealed[name]) for name in names}))
    if given.since:
        print("\n" + _split(settings, given.since))
    if not given.experiments and (found := Verdicts.read(settings, places.MAIN)):
        print(f"{found.tally()} The verdicts are in {places.verdicts()}.")
    page = ", ".join(str(places.rounds(name)) for name in names)
    page = page if given.experiments else f"{places.index()} and {places.page()}"
    print(f"The {'results are' if given.experiments else 'report is'} in {page}.")


def headline(settings: Config, outcomes: Mapping[str, Outcome]) -> str:
    """A few lines for the terminal."""
    lines = []
    for name, outcome in outcomes.items():
        found = [*findings(Shown(settings, {name: outcome})), _test_set(settings, name, outcome.metric)]
        lines += [name, *(f"  {line}" for line in found if line)]
    return "\n".join(lines)


def _test_set(settings: Config, name: str, metric: Metric) -> str:
    """The size of the test set, and so the weight of one example; empty when the data neither exist nor declare their form."""
    form = check.form_of(check.settings(name, settings.experiment(name)))
    if form is None:
        return ""
    step = f", so one of them changes the accuracy by {metric.size(1 / form.test)}" if metric.name == "accuracy" else ""
    return f"The test set has {form.test:,} examples{step}."


def _split(settings: Config, since: float) -> str:
    """How much of the time since then was spent on training and evaluation, according to the notes of the stages."""
    files = [path for name in settings.experiments for path in sorted(paths.runtimes(name).glob("*.json"))]
    noted = [note for path in files if (note := notes.read(path))]
    times = [(about.get("finished"), about.get("training_seconds")) for about in noted]
    trained = [took for ended, took in times if isinstance(ended, float) and isinstance(took, float) and ended > since]
    wall = time.time() - since
    if not trained:
        return f"Nothing was trained, because everything was up to date; this took {wall:.0f} s."
    took = f"{sum(trained):.0f} s, where each of those that ran side by side counts"
    return f"The run took {wall:.0f} s. Training and evaluation of {len(trained)} items took {took}."


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
