"""DVC stage report: the pages and the figures of one report of params.yaml, over its experiments."""

from pipeline.claims.verdicts import Verdicts
from pipeline.figures import files
from pipeline.files import store
from pipeline.page import html
from pipeline.report import document, page, registry
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from pipeline.settings.config import Config
from stages import run_stage


def main(name: str) -> None:
    from pipeline.dag import written  # it only rejects input: no output depends on it

    settings = config.load()
    names = settings.report_of(name)
    written.report_agrees(settings, name)
    outcomes = {experiment: _outcome(settings, experiment) for experiment in names}
    report = document.of(settings, name, outcomes, Verdicts.read(settings, name))
    store.write_bytes(places.index(name), page.markdown(report).encode())
    store.write_bytes(places.page(name), html.html(report).encode())
    drawn = files.drawn(registry.drawings_over(settings, outcomes))
    if drawn:
        files.save(drawn, places.comparison(name), settings.figures.dpi)


def _outcome(settings: Config, experiment: str) -> Outcome:
    """With all of its tables."""
    about = settings.experiment(experiment)
    outcome = Outcome.read(experiment, settings.margin, with_curves=True, annealed=measured.is_annealed(about))
    if measured.is_examined(about):
        outcome = outcome.with_examined(experiment, with_profiles=True)
    return outcome.with_stability(experiment) if measured.is_trained_twice(about) else outcome


if __name__ == "__main__":
    run_stage(main)
