"""claims.yaml is read strictly, judged by a stage of its own for each report, and told by the page, the terminal and MLflow."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import headline
from pipeline.claims import ledger
from pipeline.claims.verdicts import Verdicts
from pipeline.files import store
from pipeline.report import verdicts
from pipeline.settings import config, places
from pipeline.tracking import tables
from pipeline.values.errors import UserError
from stages import aggregate
from stages import claims as claims_stage
from stages import report as report_stage
from tests import lottery, pages, planted, synthetic
from tests.planted import claim
from tests.synthetic import RMSE, trio

pytestmark = pytest.mark.usefixtures("without_library")

ONE = """- id: {id}
  claim: It is so.
  source: section 2
  experiments: [toy]
  quantity: metric
  arm: ticket
  against: dense
  comparison: greater
  density: 0.6
  paper: better
"""
TEXT = f"""claims:
{ONE.format(id="first")}{ONE.format(id="second")}discussion:
- number: 1
  question: Is it so?
  claims: [first]
"""


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(synthetic.PARAMS)


# --- Reading


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ("greater\n", "bigger\n", 9, ['claims.first.comparison is "bigger"', "'greater', 'less', 'no_worse' or 'same'"]),
        ("density: 0.6", "density: 60", 10, ["claims.first.density is 60", "a density such as 0.135"]),
        ("density: 0.6", "density: [0.1, 0.5]", 10, ["a range such as [0.675, 0.176]"]),
        ("arm: ticket", "arm: tickt", 7, ["claims.first.arm is 'tickt'", "only the arms dense, ticket, one_shot, reinit"]),
        ("against: dense", "against: tickt", 8, ["claims.first.against is 'tickt'"]),
        ("against: dense", "against: [1]", 8, ["claims.first.against is [1]", "an arm, such as dense, or a number"]),
        ("  against: dense\n", "", 2, ["claims.first", "against is missing"]),
        ("[toy]", "[toy, tay]", 5, ["experiments.1 is 'tay'", "one of toy"]),
        ("[toy]", "[toy, toy]", 5, ["should not repeat a value"]),
        ("  source: section 2\n", "", 2, ["claims.first.source is missing"]),
        ("paper: better", "papr: better", 11, ["claims.first.papr is an unknown key", "paper"]),
        ("id: second", "id: first", 12, ["id is 'first', but should differ"]),
        ("claims: [first]", "claims: [third]", 25, ["discussion.0.claims.0 is 'third'", "the id of a claim"]),
        ("quantity: metric", "quantity: early_stop\n  against_quantity: final", 2, ["is final, but should be left out"]),
        ("greater\n", "greater\n  margin: 0.1\n", 2, ["margin is 0.1, but should be left out"]),
        ("quantity: metric", "quantity: spread\n  margin: 0.1", 2, ["margin is 0.1, but should be left out"]),
        ("greater\n", "same\n", None, []),
        ("id: second", "id: Second", 12, ["lower-case letters"]),
        ("id: second", "id: second\n  id: third", 13, ["not valid YAML"]),
    ],
)
def test_a_fault_is_told_with_its_line_and_what_would_be_right(old: str, new: str, line: int | None, parts: list[str]) -> None:
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    if line is None:
        planted.read(text)
        return
    with pytest.raises(UserError) as caught:
        planted.read(text)
    message = str(caught.value)
    assert re.search(rf"claims.yaml, line {line}:|not valid YAML.*line {line}", message), message
    assert [part for part in parts if part not in message] == []


def test_a_comparison_that_needs_a_margin_says_so() -> None:
    for quantity in ("early_stop", "bimodality"):
        with pytest.raises(UserError, match="margin is missing; same needs one"):
            planted.read(TEXT.replace("greater", "same").replace("quantity: metric", f"quantity: {quantity}"))
    with pytest.raises(UserError, match="greater, less or same, because only metric and final can be worse"):
        planted.read(TEXT.replace("greater", "no_worse").replace("quantity: metric", "quantity: early_stop"))


def test_the_claims_of_the_paper_cover_its_sections_and_are_about_known_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lottery.ROOT)
    found = ledger.read(config.load())
    sources = " ".join(claim.source for claim in found.claims)
    assert len(found.claims) >= 24
    appendices = [f"appendix {letter}" for letter in ("B", "E", "F.1", "F.3", "F.4", "F.5", "F.6", "F.7")]
    for part in ("section 2", "section 3", "section 4", *appendices, "Renda", "Zhou", "Morcos", "Frankle et al. 2020"):
        assert part in sources
    assert [question.number for question in found.discussion] == [*range(1, 9)]


# --- The stage


def _lanes(metric: dict[str, str] = synthetic.ACCURACY) -> list[dict[str, Any]]:
    sign = 1 if metric["better"] == "higher" else -1
    lanes = [*trio("dense", 0, 0.5, metric=metric, stop=1000)]
    for k, gain in ((1, 0.1), (2, 0.02), (3, -0.2)):
        lanes += trio("ticket", k, 0.5 + sign * gain, metric=metric, stop=600)
    return lanes


CLAIMS = [
    claim(id="good", claim="The ticket is better."),
    claim(id="bad", claim="The smallest ticket is better.", density=0.216),
    claim(id="open", claim="Some ticket is better.", density=0.36),
    claim(id="fast", claim="The ticket is sooner.", quantity="early_stop", comparison="less"),
    claim(id="tables", claim="It is bimodal.", quantity="bimodality"),
    claim(id="absent", claim="It is elsewhere.", experiments=["other"]),
]
QUESTIONS = [
    {"number": 1, "question": "Better?", "claims": ["good", "bad"], "figures": ["early_stop"]},
    {"number": 2, "question": "Bimodal?", "claims": ["tables"]},
]


def _several() -> None:
    text = synthetic.PARAMS + synthetic.PARAMS[synthetic.PARAMS.index("  toy:") :].replace("  toy:", "  other:")
    planted.write(*CLAIMS, discussion=QUESTIONS)
    synthetic.write(text.replace("figures: {", "reports: { more: [other] }\nfigures: {"))


def test_each_report_has_a_stage_that_depends_on_claims_and_tables_and_no_training_stage_does() -> None:
    _several()
    root, further = (lottery.read_yaml(path)["stages"] for path in (places.ROOT_CHAIN, places.DATA_CHAIN))
    stage = root["claims"]
    assert stage["cmd"] == "python -m stages.claims main"
    assert stage["params"] == ["report", "reports", "margin"]
    assert stage["metrics"] == [{"reports/claims.json": {"cache": False, "persist": True}}]
    assert {"claims.yaml", "reports/toy/rounds.csv", "pipeline/claims/judge.py", "stages/claims.py"} <= {*stage["deps"]}
    assert not [dep for dep in stage["deps"] if "training" in dep or "pipeline/run" in dep or "figures" in dep]
    assert {"claims.yaml", "reports/effects.json"} <= {*root["report"]["deps"]}
    assert further["claims_more"]["metrics"] == [{"reports/more/claims.json": {"cache": False, "persist": True}}]
    for name in ("toy", "other"):
        for each in lottery.stages(name).values():
            assert not [dep for dep in each["deps"] if "claims" in dep]


@pytest.mark.slow
def test_without_claims_there_is_no_stage_and_no_section() -> None:
    synthetic.write()
    assert list(lottery.read_yaml(places.ROOT_CHAIN)["stages"]) == ["report"]
    aggregate.main("toy")
    report_stage.main("main")
    assert "## Claims" not in places.index().read_text()


def test_the_stage_writes_the_same_flat_file_twice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _several()
    aggregate.main("toy")
    with pytest.raises(UserError, match=r"reports/effects.json is missing; `dvc repro claims` makes it"):
        report_stage.main("main")
    claims_stage.main("main")
    text = places.ledger().read_bytes()
    rows = store.read_json(places.ledger())
    assert list(rows) == ["good/toy", "bad/toy", "open/toy", "fast/toy", "tables/toy"]
    assert {type(value) for row in rows.values() for value in row.values()} <= {str, int, float, type(None)}
    assert rows["good/toy"]["verdict"] == "not enough replicates"  # toy has two seeds
    assert json.loads(places.verdicts().read_text()) == {key: row["verdict"] for key, row in rows.items()}
    claims_stage.main("main")
    assert places.ledger().read_bytes() == text
    report_stage.main("main")
    assert "not enough replicates" in places.index().read_text()
    monkeypatch.setattr("sys.argv", ["headline"])
    headline.main()
    assert "No claim could be tested. The verdicts are in reports/claims.json." in capsys.readouterr().out
    with pytest.raises(UserError, match="no report 'mian'; its reports are main, more"):
        claims_stage.main("mian")
    planted.write(*CLAIMS[1:])
    with pytest.raises(UserError, match=r"effects.json is not about the claims of claims.yaml; `dvc repro claims`"):
        report_stage.main("main")


def test_claims_that_are_missing_are_told_as_that() -> None:
    _several()
    aggregate.main("toy")
    places.CLAIMS.unlink()
    for stage, name, file in ((claims_stage, "main", "dvc.yaml"), (report_stage, "more", "experiments/dvc.yaml")):
        with pytest.raises(UserError, match=rf"^claims.yaml is missing, although {file} has .*python -m stages.repeat_rounds"):
            stage.main(name)


# --- The page, the terminal and MLflow


def _verdicts(metric: dict[str, str] = synthetic.ACCURACY) -> tuple[str, Verdicts]:
    """The text of the page about made-up lanes, and its verdicts."""
    from pipeline.claims import judge
    from pipeline.claims.quantities import Source

    text = synthetic.PARAMS + synthetic.PARAMS[synthetic.PARAMS.index("  toy:") :].replace("  toy:", "  other:")
    Path("params.yaml").write_text(text.replace("figures: {", "reports: { more: [other] }\nfigures: {"))
    planted.write(*CLAIMS, discussion=QUESTIONS)
    settings, outcome = config.load(), synthetic.outcome(_lanes(metric))
    claims = ledger.read(settings)
    found = Verdicts(claims, judge.judge(claims, ["toy"], {"toy": Source(outcome)}))
    return pages.markdown(settings, places.MAIN, {"toy": outcome}, found), found


def test_the_page_has_verdicts_by_kind_then_what_was_not_run_and_a_discussion() -> None:
    text, _ = _verdicts()
    assert "\nOf 4 tested claims, 2 hold, 1 does not hold and 1 is undecided.\n" in text
    assert text.index("## Claims") < text.index("## Discussion") < text.index("## toy")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "section 2" in line]
    assert [row[0] for row in rows] == ["| **holds**", "| **holds**", "| **does not hold**", "| undecided"]
    good = next(row for row in rows if row[1] == "The ticket is better.")
    assert good[2:] == ["better (section 2)", "+10.00 points (+9.88 to +10.12), at 60.0%", "< 0.001", "3 |"]
    bad = next(row for row in rows if row[1] == "The smallest ticket is better.")
    assert bad[0] == "| **does not hold**" and bad[3].startswith("-20.00 points")
    assert "- `tables` in `toy`: no table of masks and weights was made." in text
    where = "the verdicts are in [reports/more/index.md](more/index.md)."
    assert f"- `dvc repro experiments/dvc.yaml:report_more` tests 1 claim about `other`; {where}" in text
    assert "**1. Better?** It holds that the ticket is better (`toy`: +10.00 points, 95% interval +9.88 to +10.12, at" in text
    assert "It does not hold that the smallest ticket is better (" in text
    assert "See [Figure 2. Early stop of tickets and of reinitialised controls: toy](toy/figures/early_stop.svg)." in text
    assert "Bimodal?" not in text


def test_a_metric_that_should_be_low_is_told_as_lower_and_better() -> None:
    text, _ = _verdicts(RMSE)
    assert "-0.1 (better) (-0.101 to -0.0988), at 60.0%" in text
    assert "+0.2 (worse)" in text


def test_mlflow_is_given_the_effect_and_the_verdict_of_the_first_report_that_has_it() -> None:
    _, found = _verdicts()
    places.ledger().parent.mkdir(exist_ok=True)
    store.write_json(places.ledger(), found.rows)
    (places.REPORTS / "more").mkdir()
    more = {"good/toy": found.rows["good/toy"] | {"effect": 7.0}, "x/other": found.rows["bad/toy"]}
    store.write_json(places.ledger("more"), more)
    values = tables.claims("toy")
    assert (values["verdict.good.effect"], values["verdict.good"], values["verdict.bad"]) == (0.1, 1.0, -1.0)
    assert "verdict.tables" not in values
    assert tables.claims("other") == {"verdict.x.effect": -0.2, "verdict.x": -1.0}
    assert tuple(sorted(tables.VERDICTS, key=verdicts.TESTED.index)) == verdicts.TESTED


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("quantity: metric", "quantity: early_stopp", 'line 6: claims.first.quantity is "early_stopp", but should be one of'),
        ("quantity: metric", "quantity: metric\n  layer: fc1.weight", "layer should be left out"),
        ("against: dense", "against: ticket", "both sides are metric of ticket, but should be two different ones"),
        ("against: dense", "against: .inf", "an arm, such as dense, or a number"),
    ],
)
def test_what_could_never_be_tested_is_refused(key: str, value: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        planted.read(TEXT.replace(key, value, 1))


def test_a_file_that_contains_itself_is_one_sentence() -> None:
    with pytest.raises(UserError, match="stands for what contains it"):
        planted.read("&a\nclaims: *a\n")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no rows"),
        ("bimodality,ticket,1,0.5,,1,\n", "a number is missing"),
        ("bimodality,ticket,1,0.5,,1,x\n", "the column value has text"),
    ],
)
def test_a_damaged_table_of_masks_and_weights_stops_the_stage(content: str, problem: str) -> None:
    """Claims that are not tested for that reason would change the verdicts on the others."""
    _several()
    aggregate.main("toy")
    store.write_table(places.examined("toy"), f"quantity,arm,round,density,layer,seed,value\n{content}")
    with pytest.raises(UserError, match=rf"examined\.csv is damaged \(.*{problem}"):
        claims_stage.main("main")
