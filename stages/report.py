"""DVC stage report: the page and the figures of one report of params.yaml, over its experiments."""

from pipeline.figures import files
from pipeline.files import store
from pipeline.report import page, registry
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import run_stage


def main(name: str) -> None:
    from pipeline.dag import written  # it only rejects input: no output depends on it

    settings = config.load()
    reports = settings.all_reports()
    if name not in reports:
        raise UserError(f"{paths.PARAMS} has no report {name!r}; its reports are {', '.join(reports)}")
    written.report_agrees(settings, name)
    with_curves = registry.need_curves(settings, reports[name])
    outcomes = {experiment: Outcome.read(experiment, settings.margin, experiment in with_curves) for experiment in reports[name]}
    store.write_bytes(places.index(name), page.index(settings, name, outcomes).encode())
    drawn = files.drawn(registry.drawings_over(settings, outcomes))
    if drawn:
        files.save(drawn, places.comparison(name), settings.figures.dpi)


if __name__ == "__main__":
    run_stage(main)
