"""DVC stage aggregate: the lanes of one experiment become its table of rounds, its learning curves and its headline numbers."""

from pipeline.files import store
from pipeline.results import numbers, statistics, tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from stages import experiment_of, run_stage


def main(name: str) -> None:
    lanes = list(tables.lanes(experiment_of(name).lottery))
    tables.write(places.rounds(name), statistics.rounds(about for about, _ in lanes))
    tables.write(places.curves(name), statistics.curves(lanes))
    found = numbers.metrics(Outcome.read(name, config.load().margin))
    # DVC calls a number by its path if another experiment has one of the same name, which makes columns three times as wide.
    store.write_plain_json(places.metrics(name), {name: found})


if __name__ == "__main__":
    run_stage(main)
