"""DVC stage stability: the metric along the line between two trainings of the same network, for an arm such as other_order."""

import sys

from tqdm import tqdm

from pipeline.results import tables
from pipeline.run import setup
from pipeline.settings import places
from pipeline.stability import line, pairs
from stages import experiment_of, run_stage

LIVE, PLAIN = 0.5, 15.0  # seconds between two states of the progress line, on a terminal and elsewhere


def main(name: str) -> None:
    start = setup.begin(experiment_of(name))
    total = len(list(pairs.of(start.bound.lottery)))
    with tqdm(total=total, desc=f"{name} lines", mininterval=LIVE if sys.stderr.isatty() else PLAIN) as progress:
        found = line.lines(start, progress.update)
    instabilities, along = line.as_tables(found, start.task.metric)
    tables.write(places.stability(name), instabilities)
    tables.write(places.lines(name), along)


if __name__ == "__main__":
    run_stage(main)
