"""params.yaml as validated values, or messages about what is wrong with it in the terms of its keys."""

import json
from collections.abc import Iterable, Mapping
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.settings import places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment, Section, unique


class Figures(Section):
    densities: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]  # curves of figure 1
    dpi: Annotated[int, Field(ge=50, le=600)]  # the resolution of the PNG files
    # The names of arms in figures and reports, where they differ from pipeline/figures/style.py and from the arm's own name.
    labels: dict[str, Annotated[str, Field(min_length=1)]] = Field(default={})


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Report = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(unique)]


class Config(Section):
    report: Report  # the experiments that plain `dvc repro` runs
    reports: dict[Name, Report] = Field(default={})  # further reports, each of which has experiments of its own
    figures: Figures
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]

    @model_validator(mode="after")
    def _known_experiments(self) -> Self:
        for name in (name for report in self.all_reports().values() for name in report):
            self.experiment(name)
        taken = sorted({places.MAIN, "figures", *self.experiments} & {*self.reports})
        if taken:  # all of these have a folder in reports/
            raise ValueError(f"reports.{taken[0]} has the name of an experiment, of figures or of the main report")
        if "figures" in self.experiments:
            raise ValueError("experiments.figures is the name of the main report's folder of figures; should be another name")
        if "data" in self.experiments:
            raise ValueError("experiments.data is the name of the folder of data sets; should be another name")
        return self

    def all_reports(self) -> dict[str, tuple[str, ...]]:
        return {places.MAIN: self.report, **self.reports}

    def experiment(self, name: str) -> Experiment:
        if name not in self.experiments:
            raise UserError(
                f"{paths.PARAMS} has no experiment {name!r}; its experiments are {', '.join(sorted(self.experiments))}"
            )
        return self.experiments[name]


def load(path: Path = paths.PARAMS) -> Config:
    """Reads and validates params.yaml.

    Raises: UserError with a line for each fault: the key, what was given and what is allowed.
    """
    try:
        # ruamel reads YAML 1.2 as DVC does: 1e-3 is a number, not the string PyYAML makes of it.
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this in the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        # JSON is used because strict validation of it still lets an array become a tuple.
        return Config.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        found = error.errors()
        # pydantic also reports a list whose items are refused as empty.
        places = [e["loc"] for e in found]
        told = [e for e in found if not (e["type"] == "too_short" and any(p[:-1] == e["loc"] for p in places if p))]
        raise UserError("\n".join(f"{path}: {_explain(e)}" for e in told)) from None


def _explain(error: Mapping[str, Any]) -> str:
    # pydantic names the branch of a union in the location; the user's file has no such key.
    key = ".".join(str(part) for part in error["loc"] if part not in ("adam", "sgd") and not _is_branch(part))
    given, context = error["input"], error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key {key}; the keys there are {', '.join(_allowed(error['loc'][:-1]))}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_invalid":
            message = f"unknown name {context['tag']!r}, should be one of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{key}.name is missing; it should be 'adam' or 'sgd'"
        case "too_short":
            message = "should have at least one value"
        case "model_type":
            keys = ", ".join(_allowed(error["loc"]))
            return f"{key or 'the file'} is {json.dumps(given)}: should be a mapping with the keys {keys}"
    message = message[0].lower() + message[1:]
    if isinstance(given, Mapping):
        return f"{key}: {message}" if key else message
    return f"{key} is {json.dumps(given)}: {message}"


def _is_branch(part: object) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "tuple[", "function-")) or part == "[key]")


def _allowed(location: tuple[Any, ...]) -> list[str]:
    """The keys of the section at a location of the params file."""
    here: list[type[Section]] = [Config]
    for part in location:
        fields = [section.model_fields[part].annotation for section in here if part in section.model_fields]
        tagged = [s for s in here if "name" in s.model_fields and part in get_args(s.model_fields["name"].annotation)]
        here = _sections(fields) or tagged or here
    return list(here[0].model_fields)


def _sections(annotations: Iterable[Any]) -> list[type[Section]]:
    """The sections that occur in type annotations."""
    found: list[type[Section]] = []
    for annotation in annotations:
        is_section = isclass(annotation) and issubclass(annotation, Section)
        found += [annotation] if is_section else _sections(get_args(annotation))
    return found
