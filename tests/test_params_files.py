"""Experiments in files other than params.yaml, which are experiments/*.yaml."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import modify_yaml

from pipeline.dag import written
from pipeline.settings import config, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import repeat_rounds
from tests import lottery

MAIN = lottery.params(toy=lottery.experiment())
FAR = lottery.experiment(seeds=[3])
MORE = Path("experiments/more.yaml")
SHIPPED = [paths.PARAMS, *places.more_params(Path())]


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    (tmp_path / MORE).parent.mkdir()
    lottery.write_params(tmp_path / MORE, {"experiments": {"far": FAR}})
    with lottery.repository(tmp_path, MAIN):
        yield tmp_path


def said() -> str:
    with pytest.raises(UserError) as error:
        config.load()
    return str(error.value)


def test_an_experiment_is_the_same_in_any_file(repository: Path) -> None:
    settings = config.load()
    assert list(settings.experiments) == ["toy", "far"]
    assert settings.experiment("far").model_dump() == settings.experiment("toy").model_dump() | {"seeds": (3,)}
    assert {name: e.file for name, e in settings.experiments.items()} == {"toy": paths.PARAMS, "far": MORE}
    assert config.load(repository / paths.PARAMS).experiment("far").file == MORE  # relative to the root all the same
    assert settings.experiment("far").model_copy(update={"seeds": (1,)}).file == MORE
    assert "file" not in settings.experiment("far").model_dump_json()


def test_a_report_may_name_an_experiment_of_any_file(repository: Path) -> None:
    lottery.write_params(paths.PARAMS, MAIN | {"report": ["toy", "far"]})
    assert config.load().report == ("toy", "far")
    lottery.write_params(paths.PARAMS, MAIN | {"report": ["fro"]})
    assert said() == "there is no experiment 'fro' in params.yaml or experiments/*.yaml; it should be one of far, toy"


def test_a_chain_lists_and_names_the_file_of_its_experiment(repository: Path) -> None:
    for stage in lottery.stages("far").values():
        for listed in stage["params"]:
            assert listed in ("figures", "margin") or [*listed] == [str(MORE)]
    [(_, keys)] = lottery.stages("far")["train_dense"]["params"][0].items()
    assert [f"experiments.far.{key}" for key in ("data", "model", "optimizer")] == keys[:3]
    assert all(
        key.startswith(("experiments.toy.", "figures", "margin")) for s in lottery.stages("toy").values() for key in s["params"]
    )
    for name, file in {"toy": "params.yaml", "far": str(MORE)}.items():
        assert places.chain(name).read_text().startswith(f"# Written from {file} by `python -m stages.repeat_rounds`;")


def test_a_report_lists_what_it_reads_by_file(repository: Path) -> None:
    # far has the same network on the same data, so that the report asks which of the two has the smaller budget
    listed = lottery.read_yaml(places.ROOT_CHAIN)["stages"]["report"]["params"]
    assert listed == ["report", "figures", "margin", "experiments.toy", {str(MORE): ["experiments.far"]}]


def test_a_chain_out_of_date_names_the_file_to_look_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lottery.write_params(MORE, {"experiments": {"far": FAR | {"arms": {}}}})
    with pytest.raises(UserError, match=rf"experiments/far/dvc.yaml does not agree with {MORE}; run `{places.REMEDY}`"):
        written.agrees(lottery.bound("far"))
    written.agrees(lottery.bound("toy"))
    monkeypatch.setattr("sys.argv", ["repeat_rounds"])
    repeat_rounds.main()
    written.agrees(lottery.bound("far"))


def test_dvcs_own_file_is_not_one_of_them(repository: Path) -> None:
    assert places.DATA_CHAIN.is_file()
    assert places.more_params(Path()) == [MORE]


# --- What is wrong with such a file


@pytest.mark.parametrize("other", [paths.PARAMS, Path("experiments/again.yaml")])
def test_an_experiment_in_two_files_is_refused(other: Path, repository: Path) -> None:
    lottery.write_params(other, (MAIN if other == paths.PARAMS else {}) | {"experiments": {"toy": FAR, "far": FAR}})
    if other != paths.PARAMS:
        lottery.write_params(paths.PARAMS, lottery.params(near=FAR))
    first, second = sorted([other, MORE], key=lambda path: (path != paths.PARAMS, path))
    assert said() == f"{second}: experiments.far is also in {first}, but should be in only one"


@pytest.mark.parametrize("content", [None, [], "far", {}, {"far": FAR}, {"experiments": [FAR]}, MAIN])
def test_a_file_without_experiments_or_with_more_is_refused(content: Any, repository: Path) -> None:
    lottery.write_params(MORE, content)
    assert said() == f"{MORE} should have only the key experiments, with the experiments by their names under it"


@pytest.mark.parametrize("text", ["experiments: [", "experiments: {}\nexperiments: {}", "\tfar: 1"])
def test_what_is_not_yaml_is_said_in_one_line(text: str, repository: Path) -> None:
    MORE.write_text(text)
    assert said().startswith(f"{MORE} is not valid YAML: ")
    assert "\n" not in said()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("far", {"rewind": 500}, "experiments.far.rewind is 500: should be a valid string"),
        ("far", {"colour": 1}, "unknown key experiments.far.colour; the keys there are data, "),
        ("far", {"arms": {"reinit": {"rounds": [4]}}}, "experiments.far: arms.reinit.rounds goes to 4"),
        ("data", {}, 'experiments.data is "data": should be another name, because work/data is the folder of data sets'),
        ("Far", {}, 'experiments.Far is "Far": '),
    ],
)
def test_what_is_wrong_is_said_with_the_file(name: str, changes: dict[str, Any], words: str, repository: Path) -> None:
    lottery.write_params(MORE, {"experiments": {name: FAR | changes}})
    assert said().startswith(f"{MORE}: {words}")


def test_all_that_is_wrong_in_all_files_is_said_at_once(repository: Path) -> None:
    lottery.write_params(paths.PARAMS, lottery.params(toy=FAR | {"rewind": 1}) | {"colour": "red"})
    lottery.write_params(MORE, {"experiments": {"far": FAR | {"rewind": 2}}})
    assert [line.split(" ")[:2] for line in sorted(said().splitlines())] == [
        [f"{MORE}:", "experiments.far.rewind"], ["params.yaml:", "experiments.toy.rewind"], ["params.yaml:", "unknown"],
    ]  # fmt: skip


def test_params_yaml_is_refused_for_itself(repository: Path) -> None:
    for content in (["toy"], {"experiments": ["toy"]}, None):
        lottery.write_params(paths.PARAMS, content)
        assert all(line.startswith("params.yaml: ") for line in said().splitlines())


# --- The files of this repository


def test_what_few_run_is_not_in_the_file_that_the_default_stages_read() -> None:
    """DVC parses a whole file of params for each stage that reads a key of it, and looks for each key in all of it."""
    experiments = config.load(lottery.ROOT / paths.PARAMS).experiments
    there = {name for name, e in experiments.items() if e.file == paths.PARAMS}
    assert {"lenet", "digits"} <= there
    assert {experiments[name].file.name for name in ("lenet_paper", "conv2", "vgg19", "resnet20")} == {"paper.yaml"}
    assert {experiments[name].file.name for name in ("conv2_cpu", "lenet_masks")} == {"reduced.yaml"}
    assert len(there) < len(experiments) / 4


@pytest.mark.parametrize("file", SHIPPED, ids=str)
def test_a_file_has_the_form_that_dvc_writes(file: Path, tmp_path: Path) -> None:
    """This form lets `dvc exp run -S` change only the lines of the value."""
    before = (lottery.ROOT / file).read_text()
    copy = tmp_path / file.name
    shutil.copy(lottery.ROOT / file, copy)
    with modify_yaml(copy):
        pass
    assert copy.read_text() == before
    name = next(iter(lottery.read_yaml(copy)["experiments"]))
    apply_overrides(str(copy), [f"experiments.{name}.training.iterations=100"])
    changed = [pair for pair in zip(before.splitlines(), copy.read_text().splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    assert "iterations: 100" in changed[0][1]
    assert "&" not in before.replace(" & ", "")  # no aliases


def test_settings_that_json_has_no_words_for_are_a_sentence(tmp_path: Path) -> None:
    for text in ("report: &a [*a]", "2020-01-01: 3", "report: [" + 6000 * "9" + "]"):
        (tmp_path / "params.yaml").write_text(text)
        with pytest.raises(UserError, match=r"params\.yaml"):
            config.load(tmp_path / "params.yaml")
