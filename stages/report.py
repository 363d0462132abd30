"""DVC stage report: the page and the figures of one report of params.yaml, over its experiments."""

from collections.abc import Sequence

from pipeline.claims.verdicts import Verdicts
from pipeline.figures import files
from pipeline.files import store
from pipeline.report import page, registry
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from pipeline.settings.config import Config
from stages import run_stage


def main(name: str) -> None:
    from pipeline.dag import written  # it only rejects input: no output depends on it

    settings = config.load()
    names = settings.report_of(name)
    written.report_agrees(settings, name)
    outcomes = {experiment: _outcome(settings, names, experiment) for experiment in names}
    store.write_bytes(places.index(name), page.index(settings, name, outcomes, Verdicts.read(settings, name)).encode())
    drawn = files.drawn(registry.drawings_over(settings, outcomes))
    if drawn:
        files.save(drawn, places.comparison(name), settings.figures.dpi)


def _outcome(settings: Config, names: Sequence[str], experiment: str) -> Outcome:
    """With those of its tables that the report reads."""
    annealed = measured.is_annealed(settings.experiment(experiment))
    outcome = Outcome.read(experiment, settings.margin, experiment in registry.need_curves(settings, names), annealed)
    if measured.is_examined(settings.experiment(experiment)):
        outcome = outcome.with_examined(experiment)
    return outcome.with_stability(experiment) if experiment in registry.need_stability(settings, names) else outcome


if __name__ == "__main__":
    run_stage(main)
