"""DVC stage report: the headline numbers and the page over the experiments that `report:` of params.yaml names."""

from pipeline import chain
from pipeline.files import store
from pipeline.results import report, statistics, tables
from pipeline.values import config, paths
from stages import run_stage


def main(_: str) -> None:
    settings = config.load()
    chain.check_report(settings)
    rounds = {name: tables.read(paths.rounds(name), f"{paths.chain(name)}:aggregate") for name in settings.report}
    metrics = {name: statistics.metrics(table) for name, table in rounds.items()}
    store.write_json(paths.metrics(), metrics)
    store.write_bytes(paths.index(), report.index(settings, rounds, metrics).encode())


if __name__ == "__main__":
    run_stage(main)
