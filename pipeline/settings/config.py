"""Reads and validates params.yaml and experiments/*.yaml; error messages name the wrong keys."""

import json
from collections.abc import Iterable, Mapping
from inspect import isclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pipeline.settings import borrowing, document, places
from pipeline.settings.wording import lines, readable, short
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.section import Section, unique


class Figures(Section):
    densities: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]  # curves of figure 1
    dpi: Annotated[int, Field(ge=50, le=600)]  # the resolution of the PNG files
    # The names of arms in figures and reports, where they differ from pipeline/figures/style.py and from the arm's own name.
    labels: dict[str, Annotated[str, Field(min_length=1)]] = Field(default={})


def _free(name: str) -> str:
    taken = {"data": "work/data is the folder of data sets", "figures": "reports/figures is the folder of the main report"}
    if name in taken:
        raise ValueError(f"should be another name, because {taken[name]}")
    return name


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
EXAMPLES = {  # values of keys that an experiment must have
    "model": "{name: lenet}", "optimizer": "{name: adam, lr: 1.2e-3}", "lr": "1.2e-3", "rates": "{fc: 0.2, output: 0.1}",
    "rewind": "0it, 500it or 2ep", "seeds": "[1, 2, 3]", "validation": "5000, the number of training examples that are held out",
    "scope": "layer, global, erdos_renyi, erk or balanced",
    "rounds": "10", "iterations": "12000", "batch_size": "60", "evaluate_every": "100",
    "margin": "0.05, the share of the dense network's error by which a ticket may be worse and still count as no worse",
}  # fmt: skip
Report = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(unique)]


class Config(Section):
    report: Report  # the experiments that plain `dvc repro` runs
    reports: dict[Name, Report] = Field(default={})  # further reports, each of which has experiments of its own
    figures: Figures
    # How much worse than the dense network counts as no worse, as a share of the dense network's error.
    margin: Annotated[float, Field(gt=0, lt=1)]
    experiments: Annotated[dict[Annotated[Name, AfterValidator(_free)], Experiment], Field(min_length=1)]  # from all files

    @model_validator(mode="after")
    def _known_experiments(self) -> Self:
        for name in (name for report in self.all_reports().values() for name in report):
            self.experiment(name)
        taken = sorted({places.MAIN, "figures", *self.experiments} & {*self.reports})
        if taken:  # all of these have a folder in reports/
            raise ValueError(f"reports.{taken[0]} should not have the name of an experiment, of figures or of the main report")
        return self

    def all_reports(self) -> dict[str, tuple[str, ...]]:
        return {places.MAIN: self.report, **self.reports}

    def report_of(self, name: str) -> tuple[str, ...]:
        """The experiments of a report. Raises: UserError when there is no such report."""
        reports = self.all_reports()
        if name not in reports:
            raise UserError(f"{paths.PARAMS} has no report {name!r}; its reports are {', '.join(reports)}")
        return reports[name]

    def experiment(self, name: str) -> Experiment:
        if name not in self.experiments:
            known = ", ".join(sorted(self.experiments))
            where = f"{paths.PARAMS} or {places.MORE_PARAMS}"
            raise UserError(f"there is no experiment {name!r} in {where}; it should be one of {known}")
        return self.experiments[name]


def load(path: Path = paths.PARAMS) -> Config:
    """Reads and validates params.yaml and the files of further experiments.

    Raises: UserError with a line for each fault: the file, the key, what was given and what is allowed.
    """
    content = document.read(path)
    experiments = content.get("experiments") if isinstance(content, dict) else None
    files: dict[str, Path] = {}  # the file of each experiment that is not in params.yaml
    for file in places.more_params(path.parent):
        more = _experiments(file)
        if isinstance(experiments, dict):  # otherwise, validation rejects it below
            for name in [name for name in more if name in experiments]:
                raise UserError(
                    f"{file}: experiments.{short(name)} is also in {files.get(name, path)}, but should be in only one"
                )
            experiments |= more
        files |= dict.fromkeys(more, file)
    try:
        # JSON is used because strict validation of it still lets an array become a tuple.
        with readable():
            config = Config.model_validate_json(json.dumps(content))
    except ValidationError as error:
        found = error.errors()
        # pydantic also reports a list as too short when its items are invalid.
        keys = {e["loc"][:-1] for e in found if e["loc"]}
        told = [e for e in found if not (e["type"] == "too_short" and e["loc"] in keys)]
        raise UserError(lines([f"{_file_of(e['loc'], files, path)}: {_explain(e)}" for e in told])) from None
    moved = {name: config.experiment(name).standing_in(file.relative_to(path.parent)) for name, file in files.items()}
    experiments = config.experiments | moved
    with readable():
        borrowing.check(experiments)
    return config.model_copy(update={"experiments": experiments})


def _experiments(path: Path) -> dict[str, Any]:
    """The experiments of a file that contains nothing else."""
    match document.read(path):
        case {"experiments": dict(found), **other} if not other:
            return found
    raise UserError(f"{path} should have only the key experiments, with the experiments by their names under it")


def _file_of(location: tuple[Any, ...], files: Mapping[str, Path], path: Path) -> Path:
    return files.get(location[1], path) if location[:1] == ("experiments",) and len(location) > 1 else path


def _explain(error: Mapping[str, Any]) -> str:
    # pydantic names the branch of a union in the location; the user's file has no such key.
    key = ".".join(short(str(part)) for part in error["loc"] if part not in ("adam", "adamw", "sgd") and not _is_branch(part))
    given, context = error["input"], error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key {key}; the keys there are {', '.join(_allowed(error['loc'][:-1]))}"
        case "missing":
            example = EXAMPLES.get(str(error["loc"][-1]))
            return f"{key} is missing" + (f"; an example is {example}" if example else "")
        case "union_tag_invalid":
            message = f"unknown name {short(repr(context['tag']))}; it should be one of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{key}.name is missing; it should be 'adam', 'adamw' or 'sgd'"
        case "string_pattern_mismatch":
            message = "should contain only lower-case letters, digits and underscores, and begin with a letter, such as conv2_cpu"
        case "too_short":
            message = "should have at least one value"
        case "model_type":
            keys = ", ".join(_allowed(error["loc"]))
            return f"{key or 'the file'} is {_shown(given)}: should be a mapping with the keys {keys}"
    message = message[0].lower() + message[1:]
    if isinstance(given, Mapping):
        return f"{key}: {message}" if key else message
    return f"{key} is {_shown(given)}: {message}"


def _shown(given: Any) -> str:
    return short(json.dumps(given, ensure_ascii=False))


def _is_branch(part: object) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "tuple[", "function-", "(")) or part == "[key]")


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
