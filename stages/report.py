"""DVC stage report: the pages and the figures of one report of params.yaml, over its experiments."""

from pipeline.claims.verdicts import Verdicts
from pipeline.figures import files, shown
from pipeline.files import store
from pipeline.page import html, pixels
from pipeline.report import document, page, registry
from pipeline.settings import config, places
from stages import run_stage


def main(name: str) -> None:
    from pipeline.dag import written  # it only rejects input: no output depends on it

    settings = config.load()
    names = settings.report_of(name)
    written.report_agrees(settings, name)
    outcomes = {experiment: shown.outcome(settings, experiment) for experiment in names}
    report = document.of(settings, name, outcomes, Verdicts.read(settings, name))
    masks = {section.shown.name: pixels.counts(section.shown) for section in report.sections}
    store.write_bytes(places.index(name), page.markdown(report).encode())
    store.write_bytes(places.page(name), html.html(report, masks).encode())
    drawn = files.drawn(registry.drawings_over(settings, outcomes))
    if drawn:
        files.save(drawn, places.comparison(name), settings.figures.dpi)


if __name__ == "__main__":
    run_stage(main)
