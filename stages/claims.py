"""DVC stage claims: the verdicts of one report on the paper's claims, from the tables of its experiments."""

from pipeline.claims import judge, ledger
from pipeline.claims.quantities import Source
from pipeline.files import store
from pipeline.settings import config, measured, places
from stages import run_stage


def main(name: str) -> None:
    settings = config.load()
    names = settings.report_of(name)
    from pipeline.dag import written  # it only rejects input: no output depends on it

    written.report_agrees(settings, name)
    claims = ledger.read(settings)
    sources = {each: Source.read(each, settings.margin, measured.tables(each, settings.experiment(each))) for each in names}
    rows = judge.judge(claims, names, sources)
    store.write_json(places.ledger(name), rows)
    store.write_plain_json(places.verdicts(name), {key: row["verdict"] for key, row in rows.items()})
    from pipeline import tracking  # imported here, because no output depends on it

    for experiment in dict.fromkeys(experiment for _, experiment in claims.within(names)):
        tracking.start_sync(experiment)


if __name__ == "__main__":
    run_stage(main)
