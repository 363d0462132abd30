"""DVC stage aggregate: the lanes of one experiment become its table of rounds and its learning curves."""

from pipeline.results import statistics, tables
from pipeline.settings import places
from pipeline.values import paths
from stages import experiment_of, run_stage


def main(name: str) -> None:
    experiment = experiment_of(name)
    lanes = [lane for item in experiment.items(name) for lane in tables.lanes(item, experiment)]
    tables.write(places.rounds(name), statistics.rounds(summary for summary, _ in lanes))
    tables.write(paths.curves(name), statistics.curves(lanes))


if __name__ == "__main__":
    run_stage(main)
