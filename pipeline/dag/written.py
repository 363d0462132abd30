"""DVC's files as text: what each should contain, and whether it does."""

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.dag import experiment as dag_of_experiment
from pipeline.dag import shared
from pipeline.run.bound import Bound
from pipeline.settings import check, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.errors import UserError


def wanted(config: Config) -> set[str]:
    """The experiments whose chains exist, and those that a report needs. Other chains are written only on request, because DVC
    reads every stage of the repository in every command, which takes 2 ms for each.
    """
    there = {name for name in config.experiments if places.chain(name).is_file()}
    return there.union(*config.all_reports().values())


def expand(config: Config, names: Iterable[str]) -> dict[Path, str]:
    """The text of the DVC files of the repository, with the chains of these experiments. Raises: the check's UserError."""
    files = {path: _text(shared.stages(config, path)) for path in (places.ROOT_CHAIN, places.DATA_CHAIN)}
    for name in sorted(names):
        bound = check.settings(name, config.experiment(name))
        files[places.chain(name)] = _text(dag_of_experiment.stages(bound), bound.experiment.file)
    return files


def agrees(bound: Bound) -> None:
    """Raises: UserError when an experiment's DVC file is not what its settings and the imports say."""
    _compare(places.chain(bound.name), dag_of_experiment.stages(bound), bound.experiment.file)


def report_agrees(config: Config, name: str) -> None:
    """Raises: UserError when the DVC file that has the stage of a report is not what it should be."""
    path = places.report_chain(name)
    if not places.CLAIMS.is_file() and path.is_file() and f"stages.claims {name}\n" in path.read_text(encoding="utf-8"):
        raise UserError(
            f"{places.CLAIMS} is missing, although {path} has a stage that tests its claims; put the file back, or run "
            f"`{places.REMEDY}` to do without"
        )
    _compare(path, shared.stages(config, path))


def _compare(path: Path, content: Mapping[str, Any], source: Path = paths.PARAMS) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != _text(content, source):
        raise UserError(f"{path} does not agree with {source}; run `{places.REMEDY}`, then `dvc repro` again")


def _text(content: Mapping[str, Any], source: Path = paths.PARAMS) -> str:
    """The text of a DVC file. source: the file of settings that a user should change instead.

    Raises: UserError when its name could be read as more of the DVC file, such as another line or a template.
    """
    if not re.fullmatch(r"[\w. -]+", source.name):
        allowed = "letters, digits, spaces, '.', '_' and '-'"
        raise UserError(f"the file of settings is called {source.as_posix()!r}, but its name should contain only {allowed}")
    yaml = YAML(typ="safe")  # written in C: every stage writes its chain to compare it, twenty times as fast
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel declares it as None
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(content, stream)
    return f"# Written from {source} by `{places.REMEDY}`; change it there.\n{stream.getvalue()}"
