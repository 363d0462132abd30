"""DVC stage report: the headline numbers, the page and the figures over the experiments of a report of params.yaml."""

from pipeline import chain
from pipeline.files import store
from pipeline.results import comparison, family, figures, report, statistics, tables
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import run_stage


def main(name: str) -> None:
    settings = config.load()
    reports = settings.all_reports()
    if name not in reports:
        raise UserError(f"{paths.PARAMS} has no report {name!r}; its reports are {', '.join(reports)}")
    chain.check_report(settings, name)
    made_by = {experiment: f"{places.chain(experiment)}:aggregate" for experiment in reports[name]}
    rounds = {experiment: tables.read(places.rounds(experiment), by) for experiment, by in made_by.items()}
    deep = family.members(settings, reports[name], family.DEEP)
    curves = {experiment: tables.read(paths.curves(experiment), made_by[experiment]) for experiment in deep}
    metrics = {experiment: statistics.metrics(table) for experiment, table in rounds.items()}
    store.write_json(places.metrics(name), metrics)
    store.write_bytes(places.index(name), report.index(settings, name, rounds, curves, metrics).encode())
    if drawn := comparison.draw(settings, rounds, curves):
        figures.save(drawn, places.comparison(name), settings.figures.dpi)


if __name__ == "__main__":
    run_stage(main)
