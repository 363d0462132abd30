"""DVC stage plot: the figures of one experiment, as SVG and PNG."""

from pipeline.figures import files, shown
from pipeline.figures.shown import Shown
from pipeline.report import registry
from pipeline.settings import config, places
from stages import experiment_of, run_stage


def main(name: str) -> None:
    experiment_of(name)
    settings = config.load()
    drawn = files.drawn(registry.drawings(Shown(settings, {name: shown.outcome(settings, name, with_stability=False)})))
    files.save(drawn, places.figures(name), settings.figures.dpi)
    from pipeline import tracking  # imported here, because no output depends on it

    tracking.start_sync(name)


if __name__ == "__main__":
    run_stage(main)
