"""DVC stage plot: one experiment's figures 1 to 3, as SVG and PNG."""

from pipeline import config, figures, paths, tables
from stages import run_stage


def main(name: str) -> None:
    settings = config.load()
    settings.experiment(name)  # an unknown name ends here
    aggregate = f"{paths.chain(name)}:aggregate"
    rounds = tables.read(paths.rounds(name), aggregate)
    curves = tables.read(paths.curves(name), aggregate)
    figures.save(figures.draw(rounds, curves, settings.figures.densities), paths.report(name) / "figures", settings.figures.dpi)


if __name__ == "__main__":
    run_stage(main)
