"""DVC stage plot: the figures of one experiment, as SVG and PNG."""

from pipeline.figures import files
from pipeline.figures.shown import Shown
from pipeline.report import registry
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from stages import experiment_of, run_stage


def main(name: str) -> None:
    experiment_of(name)
    settings = config.load()
    experiment = settings.experiment(name)
    outcome = Outcome.read(name, settings.margin, with_curves=True, annealed=measured.is_annealed(experiment))
    if measured.is_examined(experiment):
        outcome = outcome.with_examined(name, with_profiles=True)
    shown = Shown(settings, {name: outcome})
    drawn = files.drawn(registry.drawings(shown))
    files.save(drawn, places.figures(name), settings.figures.dpi)
    from pipeline import tracking  # imported here, because no output depends on it

    tracking.start_sync(name)


if __name__ == "__main__":
    run_stage(main)
