"""Reports over several experiments: what the page says, drawn or not, and the stage that writes it."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import chain
from pipeline.results import figures, recipe, report, seen, statistics, tables
from pipeline.settings import config, places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import report as report_stage
from tests import lottery, synthetic
from tests.several import CONTENT, CONV


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    return config.load()


def _page(settings: Config, name: str, **rounds: pd.DataFrame) -> str:
    made = {experiment: synthetic.tables(settings, experiment) for experiment in settings.all_reports()[name]}
    found = {experiment: rounds.get(experiment, pair[0]) for experiment, pair in made.items()}
    metrics = {experiment: statistics.metrics(table) for experiment, table in found.items()}
    return report.index(settings, name, found, {experiment: pair[1] for experiment, pair in made.items()}, metrics)


# --- What the page says


def test_a_figure_without_experiments_says_so_and_gives_the_commands(settings: Config) -> None:
    page = _page(settings, places.MAIN)
    for number, command, file, names in (
        (4, "report_some", "reports/some/index.md", "`conv2_small`"),
        (5, "report_dropout", "reports/dropout/index.md", "`conv2_dropout` and `conv2`"),
        (6, "report_deep", "reports/deep/index.md", "`resnet` and `vgg`"),
    ):
        assert f"**Figure {number} is not drawn here:**" in page
        assert f"`dvc repro experiments/dvc.yaml:{command}` draws it in {file}, from {names}." in page
    assert "name `conv2` and `conv4` in `report:` of params.yaml" in page  # there is no conv6 in this one
    assert "`python -m stages.repeat_rounds` and `dvc repro`" in page
    assert "figures/conv.svg" not in page
    assert "Figures 1 to 3 are not drawn" not in page


def test_a_further_report_says_where_lenet_is(settings: Config) -> None:
    page = _page(settings, "some")
    assert "**Figures 1 to 3 are not drawn here:**" in page
    assert "`dvc repro` draws them in reports/index.md, from `toy`." in page


def test_only_lenet_is_set_beside_claims_about_lenet(settings: Config) -> None:
    for name in ("some", "deep", "dropout"):
        before_comparisons = _page(settings, name).split("\n## Figure")[0]
        assert "Figure 1" not in before_comparisons
        assert "The paper (" not in before_comparisons
        assert f"**Learning curves of tickets: {settings.reports[name][0]}**" in before_comparisons
    assert "**Figure 1. Learning curves of tickets: toy**" in _page(settings, places.MAIN)


def test_what_convolutional_networks_show_follows_the_data(settings: Config) -> None:
    def lanes(name: str, stops: tuple[int, ...], accuracies: tuple[float, ...], reinit: float) -> pd.DataFrame:
        found = [
            synthetic.summary("ticket", k, experiment=name, early_stop_iteration=s, accuracy_at_early_stop=a)
            for k, (s, a) in enumerate(zip(stops, accuracies, strict=True))
        ]
        return statistics.rounds([*found, synthetic.summary("reinit", 2, 1, 1, name, accuracy_at_early_stop=reinit)])

    plain = lanes("conv2", (1000, 500, 400), (0.70, 0.72, 0.69), 0.66)
    dropout = lanes("conv2_dropout", (900, 1800, 1200), (0.75, 0.74, 0.73), 0.74)
    page = _page(settings, "dropout", conv2=plain, conv2_dropout=dropout)
    assert (
        "- Here: `conv2` (Conv-2): at best, early stop comes 2.50× sooner than dense (at 36.0% of the weights) and accuracy is "
        "+2.00 points against dense (60.0%); 1 of 2 tickets are no worse than dense, the smallest at 60.0%; random reinits' "
        "accuracy against that of the tickets of the same rounds: -3.00 points (at 36.0%)." in page
    )
    cut_off = lanes("conv2", (19_500, 10_000, 9_750), (0.70, 0.72, 0.69), 0.66)
    cut = "sooner than dense (at 36.0% of the weights; the dense network's own may be cut off by the end of training)"
    assert f"2.00× {cut}" in _page(settings, "dropout", conv2=cut_off)
    assert (
        "- Here: `conv2_dropout` (Conv-2, dropout 0.5): +5.00 points before pruning against the same without dropout; at best, "
        "early stop comes 1.33× later than dense (at 36.0% of the weights) and accuracy is -1.00 points against dense (60.0%); "
        "no ticket is as accurate as dense; random reinits' accuracy against that of the tickets of the same rounds: +1.00 points"
        in page
    )


def test_what_deep_networks_show_follows_the_data(settings: Config) -> None:
    found = [synthetic.summary("ticket", k, accuracy_at_early_stop=a) for k, a in enumerate((0.90, 0.92, 0.895, 0.88))]
    found += [synthetic.summary("reinit", k, 1, 1, accuracy_at_early_stop=a) for k, a in ((2, 0.85), (3, 0.86))]
    curves = statistics.curves((lane, synthetic.history(lane)) for lane in found)
    assert seen.in_deep(curves) == (
        "dense network 89.4%, 90.0% and 90.0% at iterations 300, 700 and 1,000; at the end the best ticket has 92.0% (+2.00 "
        "points) with 60.0% of the weights, 1 of 3 tickets are no worse than dense, the smallest at 60.0%, within a point of "
        "dense down to 36.0%; random reinits' accuracy against that of the tickets of the same rounds: -4.50 points (at 36.0%) "
        "to -2.00 points (at 21.6%)"
    )
    assert f"- Here: `vgg` (VGG-19, lr 0.01): {seen.in_deep(synthetic.tables(settings, 'vgg')[1])}." in _page(settings, "deep")


def test_a_reduced_budget_is_said_plainly_with_all_that_differs(settings: Config) -> None:
    said = recipe.reduced(settings, "conv2_small")
    assert said == (
        "**A reduced budget:** 2,000 iterations, 2 rounds, 2 replicates instead of 20,000, 4 and 2 (experiment `conv2`, the "
        "paper's). Besides, with its settings in brackets: `optimizer.lr` 0.0006 (0.0002); `training.precision` bf16 (fp32); "
        "`training.memory_format` channels_last (contiguous)."
    )
    page = _page(settings, "some")
    assert said in page
    assert "Reduced budgets, as their sections say: `conv2_small`. For the paper's own budget name `conv2` and `conv4`" in page
    for name in ("conv2", "conv4", "conv2_dropout", "resnet", "own", "toy"):
        assert recipe.reduced(settings, name) is None


def test_of_several_larger_experiments_the_one_that_differs_least_is_named() -> None:
    content = CONTENT["experiments"]
    other = lottery.experiment(**CONV | {"training": {**CONV["training"], "batch_size": 64}})
    for changes, named in (({}, "conv2"), ({"training": {"iterations": 200, "batch_size": 64, "evaluate_every": 100}}, "other")):
        small = lottery.experiment(**CONV | {"training": CONV["training"] | {"iterations": 200}} | changes)
        lottery.write_params(paths.PARAMS, lottery.params(small=small, conv2=content["conv2"], other=other))
        said = recipe.reduced(config.load(), "small")
        assert said is not None and f"(experiment `{named}`" in said
        assert "Besides" not in said


def test_the_page_tells_schedule_augmentation_precision_and_all_arms(settings: Config) -> None:
    deep, small = (recipe.what_ran(settings.experiment(name)) for name in ("resnet", "conv2_small"))
    for part in (
        "`resnet` (depth 20) on `cifar10` (training images padded by 4 pixels and cropped, flipped at random)",
        "sgd at 0.1 (momentum 0.9), after a linear warmup of 100 iterations, multiplied by 0.1 at iteration 20,000 and epoch 120",
        "global magnitude pruning (conv 20% of the surviving weights a round), tickets rewound to iteration 500",
        "besides tickets: random reinit in 2 rounds (2 draws a seed).",
    ):
        assert part in deep
    assert "adam at 0.0006, in bf16, channels last in memory;" in small
    assert "nothing besides tickets." in small
    arms = {"lr_rewind": {"rounds": 2}, "continued": {"rounds": [1]}, "shuffled_mask": {"rounds": "all", "draws": 1}}
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment(arms=arms)))
    assert recipe.what_ran(config.load().experiment("toy")).endswith(
        "besides tickets: learning-rate rewinding in 2 rounds, ticket, mask without resets in 1 round, shuffled mask in 3 rounds "
        "(1 draw a seed)."
    )


def test_other_arms_stand_beside_the_tickets_and_what_the_paper_says_of_them() -> None:
    arms = {"fine_tune": {"rounds": "all"}, "random_mask": {"rounds": [2], "draws": 1}}
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment(arms=arms)))
    page = _page(config.load(), places.MAIN)
    assert "- Here: accuracy at early stop against the tickets of the same rounds: fine-tuning -1.50 points (at 60.0%); " in page
    assert "random mask -5.00 points (at 36.0%)." in page
    assert "- The paper (appendix E): random reinit does better than a random mask on LeNet" in page
    assert "| 36.0 | random mask | 2 |" in page
    assert "**Other arms beside tickets: toy** ([PNG](toy/figures/arms.png))" in page


# --- The stage


def _write(settings: Config, *names: str) -> None:
    for folder in ("pipeline", "stages", "tests"):
        Path(folder).symlink_to(lottery.ROOT / folder)
    for path, text in chain.expand(settings, settings.experiments).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in names:
        rounds, curves = synthetic.tables(settings, name)
        tables.write(places.rounds(name), rounds)
        tables.write(paths.curves(name), curves)
        figures.save(figures.draw(rounds, curves, (1.0,)), places.figures(name), 50)


@pytest.mark.parametrize(("name", "drawn"), [("some", {"conv"}), ("deep", {"deep"}), ("dropout", {"conv", "dropout"})])
def test_a_further_report_has_its_page_numbers_and_figures_in_a_folder(settings: Config, name: str, drawn: set[str]) -> None:
    _write(settings, *settings.reports[name])
    report_stage.main(name)
    folder = places.REPORTS / name
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"index.md", "metrics.json", *(f"figures/{file}.{kind}" for file in drawn for kind in ("svg", "png"))}
    assert list(json.loads((folder / "metrics.json").read_text())) == list(settings.reports[name])
    links = re.findall(r"\]\(([^)]+)\)", (folder / "index.md").read_text())
    assert [link for link in links if not (folder / link).is_file()] == []
    assert f"../{settings.reports[name][0]}/rounds.csv" in links
    before = lottery.files(folder)
    report_stage.main(name)
    assert lottery.files(folder) == before


def test_a_report_that_is_not_there_or_out_of_date_is_one_sentence(settings: Config) -> None:
    with pytest.raises(UserError, match=r"params\.yaml has no report 'all'; its reports are main, deep, dropout, some"):
        report_stage.main("all")
    _write(settings)
    lottery.write_params(paths.PARAMS, CONTENT | {"reports": {"some": ["conv2"]}})
    with pytest.raises(
        UserError, match=r"experiments/dvc.yaml does not agree with params.yaml; run `python -m stages.repeat_rounds`"
    ):
        report_stage.main("some")


def test_a_report_depends_on_what_it_reads(settings: Config) -> None:
    _write(settings)
    root, further = (YAML(typ="safe").load(path.read_text())["stages"] for path in (places.ROOT_CHAIN, places.DATA_CHAIN))
    assert list(root) == ["report"]
    assert list(further) == ["download", "report_deep", "report_dropout", "report_some"]
    assert "plots" not in root["report"]
    some, deep = further["report_some"], further["report_deep"]
    assert some["cmd"] == "python -m stages.report some"
    assert some["wdir"] == ".."
    own = ["experiments.conv2_small", "experiments.own", "experiments.conv2"]  # the last tells what the first is reduced from
    others = [f"experiments.{name}.model" for name in ("toy", "resnet", "vgg", "conv2_dropout")]
    assert some["params"] == ["report", "reports", "figures", *own, *others]
    assert some["plots"] == [{"reports/some/figures": {"cache": False}}]
    assert "work/resnet/curves.csv" in deep["deps"]
    assert not [dep for dep in some["deps"] if dep.endswith("curves.csv")]
    assert {"reports/own/rounds.csv", "reports/own/figures", "pipeline/results/comparison.py"} <= set(some["deps"])
    assert "figures.densities" in root["report"]["params"]


def test_without_further_reports_the_key_is_not_asked_for() -> None:
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment()))
    _write(config.load())
    stages = YAML(typ="safe").load(places.ROOT_CHAIN.read_text())["stages"]
    assert stages["report"]["params"] == ["report", "figures.densities", "experiments.toy"]
    assert list(YAML(typ="safe").load(places.DATA_CHAIN.read_text())["stages"]) == ["download"]
