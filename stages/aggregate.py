"""DVC stage aggregate: the lanes of one experiment become its table of rounds and its learning curves."""

from pipeline.results import statistics, tables
from pipeline.settings import places
from stages import experiment_of, run_stage


def main(name: str) -> None:
    lanes = list(tables.lanes(experiment_of(name).lottery))
    tables.write(places.rounds(name), statistics.rounds(about for about, _ in lanes))
    tables.write(places.curves(name), statistics.curves(lanes))


if __name__ == "__main__":
    run_stage(main)
