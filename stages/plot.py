"""DVC stage plot: the figures of one experiment, as SVG and PNG."""

from pipeline.figures import files
from pipeline.figures.shown import Shown
from pipeline.report import registry
from pipeline.results import tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.values import paths
from stages import experiment_of, run_stage


def main(name: str) -> None:
    experiment_of(name)
    settings = config.load()
    aggregate = f"{places.chain(name)}:aggregate"
    rounds = tables.read(places.rounds(name), aggregate)
    curves = tables.read(paths.curves(name), aggregate)
    drawn = files.drawn(registry.drawings(Shown(settings, {name: Outcome.of(rounds, curves)})))
    files.save(drawn, places.figures(name), settings.figures.dpi)
    from pipeline import tracking  # imported here, because no output depends on it

    tracking.start_sync(name)


if __name__ == "__main__":
    run_stage(main)
