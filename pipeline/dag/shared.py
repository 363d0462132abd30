"""The DVC files that serve several experiments: one has downloads and further reports, the root's has the main report.

Downloads have a file of their own because plain `dvc repro` runs every stage of the root's file, and must not download what
the experiments in `report:` don't use.
"""

from pathlib import Path
from typing import Any

from pipeline.dag import command, watched
from pipeline.dag.experiment import in_git, params
from pipeline.report import registry
from pipeline.settings import check, measured, places
from pipeline.settings.config import Config
from pipeline.values import paths

TEMPLATES = Path("pipeline/page/templates")  # of the HTML page; they are no Python, which the imports would lead to


def stages(config: Config, path: Path) -> dict[str, Any]:
    """The content of one of the two files."""
    found = {} if path == places.ROOT_CHAIN else _downloads(config)
    reports = [name for name in config.all_reports() if places.report_chain(name) == path]
    if places.CLAIMS.is_file():
        found |= {places.claims_stage(name): _claims(config, name) for name in reports}
    return {"stages": found | {places.report_stage(name): _report(config, name) for name in reports}}


def _downloads(config: Config) -> dict[str, Any]:
    return {
        f"download_{name}": {
            "wdir": "..",
            "cmd": command.of("download", name),
            "deps": watched.dependencies([Path("stages/download.py")], [("data", plugin)]),
            "outs": [paths.data(name).as_posix()],
        }
        for name, (plugin, _) in check.data_sets(config.experiments.values()).items()
    }


def _claims(config: Config, name: str) -> dict[str, Any]:
    """The stage that judges the claims for a report: from tables alone, so that another claim trains nothing."""
    names = config.all_reports()[name]
    files = [
        places.CLAIMS,
        *map(places.rounds, names),
        *(table for n in names for table in measured.tables(n, config.experiment(n))),
    ]
    return {
        **_wdir(name),
        "cmd": command.of("claims", name),
        "params": [*_reports(config), "margin"],
        "deps": [*(path.as_posix() for path in files), *watched.dependencies([Path("stages/claims.py")])],
        "outs": [in_git(places.ledger(name))],
        "metrics": [in_git(places.verdicts(name))],
    }


def _wdir(report: str) -> dict[str, str]:
    return {} if report == places.MAIN else {"wdir": ".."}


def _reports(config: Config) -> list[str]:
    return ["report", "reports"] if config.reports else ["report"]


def _report(config: Config, name: str) -> dict[str, Any]:
    """The stage of a report. Of other experiments it reads those that tell whether one of its own has a reduced budget, and the
    models of all others, because the page names the report that draws a figure which this report doesn't draw.
    """
    names = config.all_reports()[name]
    shown = registry.over(config, names)
    files = [path(n) for path in (places.rounds, places.figures, places.curves) for n in names]
    drawn_from = (measured.examined, measured.stability, measured.pictured)
    files += [path for n in names for of in drawn_from for path in of(n, config.experiment(n))]
    files += [places.CLAIMS, places.ledger(name)] if places.CLAIMS.is_file() else []
    files += [places.CONSTRAINTS] if places.CONSTRAINTS.is_file() else []
    # No plots of DVC, as in a chain.
    outs = [places.index(name), places.page(name), *([places.comparison(name)] if shown else [])]
    read = dict.fromkeys([*names, *(other for n in names for other in registry.alike(config, n))])
    others = dict.fromkeys(n for report in config.all_reports().values() for n in report if n not in read)
    return {
        **_wdir(name),
        "cmd": command.of("report", name),
        "params": [
            *_reports(config),
            "figures",
            "margin",
            *(key for n in read for key in params(config.experiment(n), [f"experiments.{n}"])),
            *(key for n in others for key in params(config.experiment(n), _subject(config, n))),
        ],
        "deps": [
            *(path.as_posix() for path in files),
            *sorted([*watched.dependencies([Path("stages/report.py")]), TEMPLATES.as_posix()]),
        ],
        "outs": [in_git(path) for path in outs],
    }


def _subject(config: Config, name: str) -> list[str]:
    """The sections that tell which figures an experiment belongs to, as far as it has them."""
    return [f"experiments.{name}.{key}" for key in ("model", "task") if key in config.experiment(name).model_fields_set]
