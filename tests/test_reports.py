"""Reports over several experiments: what the page says, drawn or not, and the stage that writes it."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.dag import written
from pipeline.figures import files
from pipeline.figures.shown import Shown
from pipeline.files import store
from pipeline.report import registry
from pipeline.results import numbers, tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, places
from pipeline.settings.config import Config
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from stages import report as report_stage
from tests import lottery, pages, synthetic
from tests.several import CONTENT
from tests.synthetic import LATER, RMSE, lane, trio

pytestmark = pytest.mark.usefixtures("without_library")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    lottery.write_params(paths.PARAMS, CONTENT)
    return config.load()


def _page(settings: Config, name: str, **outcomes: Outcome) -> str:
    """outcomes: of some of the report's experiments; the others' are made up."""
    found = {
        experiment: outcomes.get(experiment) or synthetic.outcome(synthetic.of_params(settings, experiment))
        for experiment in settings.all_reports()[name]
    }
    return pages.markdown(settings, name, found)


def _here(text: str, name: str) -> str:
    """The sentences on one experiment below a figure over several."""
    return next(line for line in text.splitlines() if line.startswith(f"- Here: `{name}`"))


# --- What the page says


def test_a_figure_without_experiments_says_so_and_gives_the_commands(settings: Config) -> None:
    text = _page(settings, places.MAIN)
    for number, command, file, names in (
        (4, "report_some", "[reports/some/index.md](some/index.md)", "`conv2_small`"),
        (5, "report_dropout", "[reports/dropout/index.md](dropout/index.md)", "`conv2_dropout` and `conv2`"),
        (6, "report_deep", "[reports/deep/index.md](deep/index.md)", "`resnet` and `vgg`"),
    ):
        assert f"**Figure {number} is not drawn here:**" in text
        assert f"`dvc repro experiments/dvc.yaml:{command}` draws it in {file}, from {names}." in text
    assert "name `conv2` and `conv4` in `report:` of params.yaml" in text  # there is no conv6 in this one
    assert "`python -m stages.repeat_rounds` and `dvc repro`" in text
    assert "figures/conv.svg" not in text
    assert "Figures 1 to 3 are not drawn" not in text


def test_a_further_report_says_where_lenet_is(settings: Config) -> None:
    text = _page(settings, "some")
    assert "**Figures 1 to 3 are not drawn here:**" in text
    assert "`dvc repro` draws them in [reports/index.md](../index.md), from `toy`." in text


@pytest.mark.slow
def test_only_lenet_is_set_beside_claims_about_lenet(settings: Config) -> None:
    for name in ("some", "deep", "dropout"):
        before_comparisons = _page(settings, name).split("\n## Figure")[0]
        assert "Figure 1" not in before_comparisons
        assert "The paper (" not in before_comparisons
        assert f"**Learning curves of tickets: {settings.reports[name][0]}**" in before_comparisons
    assert "**Figure 1. Learning curves of tickets: toy**" in _page(settings, places.MAIN)


def _conv(name: str, stops: tuple[int, ...], values: tuple[float, ...], reinit: float) -> Outcome:
    """Round by round, from the dense network on; and a control in round 2."""
    found = [lane("ticket", k, experiment=name, stop=s, value=v) for k, (s, v) in enumerate(zip(stops, values, strict=True))]
    return synthetic.outcome([*found, lane("reinit", 2, 1, 1, name, value=reinit)])


def test_what_convolutional_networks_show_follows_the_data(settings: Config) -> None:
    plain = _conv("conv2", (1000, 500, 400), (0.70, 0.72, 0.69), 0.66)
    dropout = _conv("conv2_dropout", (900, 1800, 1200), (0.75, 0.74, 0.73), 0.74)
    text = _page(settings, "dropout", conv2=plain, conv2_dropout=dropout)
    here = _here(text, "conv2")
    for part in (
        "`conv2` (Conv-2)", "with 36.0% of the weights reaches its early stop 60% earlier than the dense network",
        "The best ticket of 2 rounds, chosen on the test set, is the one with 60.0%", "72.00% is 2.00 points higher",
        "1 replicate is too few for an interval", "random reinit minus that of the ticket", "is -3.00 points (at 36.0%).",
    ):  # fmt: skip
        assert part in here
    here = _here(text, "conv2_dropout")
    for part in (
        "`conv2_dropout` (Conv-2, dropout 0.5)", "Before pruning, the accuracy is 5.00 points higher than without dropout",
        "reaches its early stop 33% later than the dense network", "Whether a ticket is no worse", "is +1.00 points (at 36.0%).",
    ):  # fmt: skip
        assert part in here


def test_a_convolutional_network_that_was_not_trained_to_its_minimum_is_not_compared(settings: Config) -> None:
    cut_off = _conv("conv2", (LATER, 1000, 900), (0.70, 0.72, 0.69), 0.66)
    here = _here(_page(settings, "dropout", conv2=cut_off), "conv2")
    assert "The comparison is void" in here
    assert "as fast" not in here


def test_what_deep_networks_show_follows_the_data(settings: Config) -> None:
    when: dict[str, int] = {"final_iteration": 1000, "stop": 500}
    found = [each for k, a in enumerate((0.90, 0.92, 0.895, 0.88)) for each in trio("ticket", k, a, **when)]
    found += [each for k, a in ((2, 0.85), (3, 0.86)) for each in trio("reinit", k, a, draw=1, **when)]
    here = _here(_page(settings, "deep", vgg=synthetic.outcome(found)), "vgg")
    for part in (
        "`vgg` (VGG-19, lr 0.01)", "accuracy is 89.42%, 90.00% and 90.00% at iterations 300, 700 and 1,000",
        "the best ticket of 3 rounds, chosen on the test set, is the one with 60.0%", "92.00% is 2.00 points higher",
        "1 of 3 rounds gave a ticket that is shown to be no worse than the dense network (with a margin of 0.50 points, 5% of "
        "its error); the smallest of them keeps 60.0%", "95% interval +1.88 to +2.12 points",
        "within a point of the dense network keeps 36.0%",
        "random reinit minus that of the ticket", "is -4.50 points (at 36.0%) to -2.00 points (at 21.6%)",
    ):  # fmt: skip
        assert part in here
    assert "void" not in here
    short = [each | {"early_stop_iteration": 1000} for each in found]
    assert "The comparison is void" in _here(_page(settings, "deep", vgg=synthetic.outcome(short)), "vgg")


def test_a_deep_network_with_another_metric_has_no_points_and_stands_in_no_figure_of_others(settings: Config) -> None:
    vgg = synthetic.outcome(synthetic.of_params(settings, "vgg", metric=RMSE))
    text = _page(settings, "deep", vgg=vgg)
    assert "- Here: `vgg` cannot be drawn here, because its metric is not accuracy." in text
    resnet = synthetic.outcome(synthetic.of_params(settings, "resnet", metric=RMSE))
    text = _page(settings, "deep", vgg=vgg, resnet=resnet)
    assert "within a point" not in _here(text, "vgg")
    assert "test RMSE is" in _here(text, "vgg")


def test_further_arms_stand_beside_the_tickets_and_what_the_paper_says_of_them() -> None:
    arms = {"fine_tune": {"rounds": "all"}, "random_mask": {"rounds": [2], "draws": 1}}
    optimizer = {"name": "adam", "lr": 1e-2, "decay": {"at": ["10it"]}}  # fine-tuning needs a last learning rate
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment(arms=arms, optimizer=optimizer)))
    text = _page(config.load(), places.MAIN)
    assert "minus that of the ticket" in text
    assert "-1.50 points (at 60.0%) for fine-tuning" in text
    assert "-5.00 points (at 36.0%) for random mask" in text
    assert "- The paper (appendix E): random reinit does better than a random mask on LeNet" in text
    assert "| 36.0 | random mask | 2 |" in text
    assert "**Further arms beside tickets: toy** ([PNG](toy/figures/arms.png))" in text


# --- The stage


def _write(settings: Config, *names: str) -> None:
    for folder in ("pipeline", "stages", "tests"):
        Path(folder).symlink_to(lottery.ROOT / folder)
    for path, text in written.expand(settings, settings.experiments).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in names:
        outcome = synthetic.outcome(synthetic.of_params(settings, name))
        assert outcome.curves is not None
        tables.write(places.rounds(name), outcome.lanes)
        tables.write(places.curves(name), outcome.curves)
        store.write_json(places.metrics(name), numbers.metrics(outcome))
        files.save(files.drawn(registry.drawings(Shown(settings, {name: outcome}))), places.figures(name), 50)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        pytest.param("some", {"conv"}, marks=pytest.mark.slow),
        pytest.param("deep", {"deep"}, marks=pytest.mark.slow),
        pytest.param("dropout", {"conv", "dropout"}, marks=pytest.mark.slow),
    ],
)
def test_a_further_report_has_its_page_and_figures_in_a_folder(settings: Config, name: str, drawn: set[str]) -> None:
    _write(settings, *settings.reports[name])
    report_stage.main(name)
    folder = places.REPORTS / name
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"index.md", "index.html", *(f"figures/{file}.{kind}" for file in drawn for kind in ("svg", "png"))}
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
    downloads = [f"download_{name}" for name in plugins.names("data")]
    assert {*further} == {*downloads, "report_deep", "report_dropout", "report_some"}
    assert root["report"]["outs"] == [{f"reports/index.{form}": {"cache": False, "persist": True}} for form in ("md", "html")]
    some, deep = further["report_some"], further["report_deep"]
    assert some["cmd"] == "python -m stages.report some"
    assert some["wdir"] == ".."
    # The last two have the kind of network of the first, which may be a reduced budget of one of them.
    own = ["experiments.conv2_small", "experiments.own", "experiments.conv2", "experiments.conv4"]
    others = [f"experiments.{name}.model" for name in ("toy", "resnet", "vgg", "conv2_dropout")]
    assert some["params"] == ["report", "reports", "figures", "margin", *own, *others]
    assert {"reports/some/figures": {"cache": False, "persist": True}} in some["outs"]
    assert {"work/resnet/curves.csv", "work/vgg/curves.csv"} == {dep for dep in deep["deps"] if dep.endswith("curves.csv")}
    assert {"reports/toy/examined.csv", "work/toy/profiles.csv", "work/toy/curves.csv"} <= set(root["report"]["deps"])
    assert {"pipeline/page", "pipeline/page/templates"} <= set(some["deps"])
    assert {"reports/own/rounds.csv", "reports/own/figures", "pipeline/report"} <= set(some["deps"])
    assert "figures" in root["report"]["params"]


def test_without_further_reports_the_key_is_not_asked_for() -> None:
    lottery.write_params(paths.PARAMS, lottery.params(toy=lottery.experiment()))
    _write(config.load())
    stages = YAML(typ="safe").load(places.ROOT_CHAIN.read_text())["stages"]
    assert stages["report"]["params"] == ["report", "figures", "margin", "experiments.toy"]
    assert list(YAML(typ="safe").load(places.DATA_CHAIN.read_text())["stages"]) == [
        f"download_{name}" for name in plugins.names("data")
    ]
