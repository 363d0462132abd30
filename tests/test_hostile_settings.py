"""Settings that would crash, hang or fill the memory are refused in one sentence. `make torture` tries many more."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.claims import ledger
from pipeline.settings import check, config, document, sizes, wording
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from tests import lottery
from tests.named import with_plugin
from tests.torture import settings as torture

NINES = "9" * 5000
LAUGHS = "[&a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], " + ", ".join(
    f"&{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # ten to the power of nine


def experiment(content: Any) -> Experiment:
    return Experiment.model_validate_json(json.dumps(content))


def said(text: str | bytes, folder: Path) -> str:
    path = folder / "params.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    started = time.process_time()
    with pytest.raises(UserError) as error:
        config.load(path)
    assert time.process_time() - started < 2
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < len(str(path)) + wording.MOST
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("margin: !!float 'y'", "'y' cannot be read as !!float (could not convert string to float: 'y') in line 1"),
        ("a: 1\nmargin: !!bool maybe", "'maybe' cannot be read as !!bool ('maybe') in line 2, column 9"),
        ("margin: !!int ''", "'' cannot be read as !!int"),
        ("margin: 2001-99-99", "'2001-99-99' cannot be read as !!timestamp (month must be in 1..12) in line 1"),
        (f"margin: 0x{NINES}", "is too long for a number"),
        (f"margin: {NINES}", "cannot be read as !!int (Exceeds the limit (4300 digits)"),
        ("margin: 2001-09-09", "!!timestamp is not text, a number, a list or a mapping; text that looks like it should be in"),
        ("margin: !!set {a, b}", "!!set is not text"),
        ("margin: !!binary aGk=", "!!binary is not text"),
        ("? [a]\n: b", "the key ('a',) should be text"),
        ("? {a: b}\n: b", "found unhashable key in line 1, column 3"),
        ("figures:\n  3: x", "the key 3 should be text; a number should be in quotes in line 2"),
        ("a: 1\nreport: &x [*x]", ", line 2: the alias *x stands for what contains it"),
        ("report: &x {a: {b: *x}}", ", line 1: the alias *x stands for what contains it"),
        ("a: " + LAUGHS, ", line 1: the file has more than 20,000 values, aliases included"),
        ("a: " + "[" * 1000 + "]" * 1000, ", line 1: lists and mappings are nested more than 50 times"),
        *[(part * 100_000, ", line 1: lists and mappings are nested more than 50 times") for part in ("[", "- ", "? ", "{a: ")],
        ("report: [" + "a, " * 1001 + "]", ", line 1: the list or mapping has more than 1,000 entries"),
        ("".join(f"a{i}: 1\n" for i in range(1001)), ", line 1001: the list or mapping has more than 1,000 entries"),
        ("a: " + "x" * 10**7, " has more than 500,000 bytes, but should be a file of settings"),
        (b"a: \xff", " is not valid YAML: byte 3 is not UTF-8"),
        (b"a: \0", "control characters are not allowed"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_with_its_line(text: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in said(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("report: " + "x" * 10**5, ': report is "xxx'),
        ('? "' + "x" * 10**5 + '"\n: 1', ": unknown key xxx"),
        ('"a\\e[31m\\nb": 1', ": unknown key a\\x1b[31m\\nb; the keys there are report"),
        (json.dumps(lottery.params(toy=lottery.experiment()) | {"report": ["x" * 10**5]}), "there is no experiment 'xxx"),
        (json.dumps(lottery.params(toy=lottery.experiment(rewind="9" * 10**5))), "experiments.toy.rewind is"),
    ],
)
def test_a_long_or_invisible_text_is_told_in_short(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        config.load(path)
    assert words in str(error.value)
    for line in str(error.value).splitlines():
        assert line.isprintable()
        assert len(line) <= wording.MOST + 3


def test_of_many_faults_the_first_are_told(tmp_path: Path) -> None:
    lottery.write_params(tmp_path / "params.yaml", lottery.params(toy=lottery.experiment(seeds=["x"] * 900)))
    with pytest.raises(UserError) as error:
        config.load(tmp_path / "params.yaml")
    lines = str(error.value).splitlines()
    assert len(lines) == wording.MOST_FAULTS + 1
    assert lines[-1] == "and 880 more"


def test_claims_are_read_with_the_same_care(tmp_path: Path) -> None:
    found = config.load(lottery.ROOT / paths.PARAMS)
    for text in ("claims: !!bool maybe", "[" * 100_000, "a: &x [*x]", "a: " + LAUGHS):
        (tmp_path / "claims.yaml").write_text(text)
        with pytest.raises(UserError, match=r"claims\.yaml"):
            ledger.read(found, tmp_path / "claims.yaml")


def test_what_a_file_may_have_is_far_above_what_ours_have() -> None:
    for path in (paths.PARAMS, Path("claims.yaml"), *Path("experiments").glob("*.yaml")):
        assert len((lottery.ROOT / path).read_bytes()) < document.MOST_BYTES / 10


# --- Numbers


def training(iterations: int, every: int) -> dict[str, Any]:
    return {"training": {"iterations": iterations, "batch_size": 20, "evaluate_every": every}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (training(2 * 10**9, 10**5), "training.iterations is 2000000000, but should be at most 1000000000"),
        (training(10**400, 10**400), "training.iterations is a number of more than 18 digits, but"),
        (training(10**9, 10**9), "training.evaluate_every is 1000000000, but should be at most 1000000"),
        (training(10**9, 1), "training.iterations divided by training.evaluate_every is 1000000000, but should"),
        ({"seeds": [1, 2**63]}, "the largest of seeds is a number of more than 18 digits, but"),
        ({"arms": {"a" * 101: {"name": "one_shot", "rounds": [1]}}}, "the length of the longest name in arms is 101, but"),
        ({"arms": {f"a{i}": {"name": "one_shot", "rounds": [1]} for i in range(201)}}, "the number of arms is 201, but"),
        ({"seeds": [*range(900)], "arms": {"reinit": {"rounds": [3], "draws": 1000}}}, "the number of lanes, one for each seed"),
    ],
)  # fmt: skip
def test_numbers_that_would_fill_the_memory_are_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        check.settings("toy", experiment(lottery.experiment(**changes)))
    assert str(error.value).startswith(f"params.yaml: experiments.toy: {words}")


def test_a_name_of_a_criterion_that_is_nothing_is_told() -> None:
    arms = {"own": {"name": "one_shot", "criterion": {"name": None}, "rounds": [1]}}
    with pytest.raises(UserError, match=r"arms.own has the criterion \{'name': None\}, but should have a name"):
        check.settings("toy", experiment(lottery.experiment(arms=arms)))


def test_the_rounds_of_all_arms_are_counted_without_being_made() -> None:
    rounds = {"criterion": "magnitude", "scope": "layer", "rates": {"fc": 0.4, "output": 0.2}, "rounds": 1000}
    arms = {f"a{i}": {"name": "ticket", "rounds": "all"} for i in range(5)}
    with pytest.raises(UserError, match="the number of rounds of all arms is 6000, but should be at most 5000"):
        sizes.check("toy", experiment(lottery.experiment(pruning=rounds, arms=arms)))


def test_a_criterion_may_not_request_a_billion_batches() -> None:
    bound = check.settings("toy", experiment(with_plugin("criteria", "snip", count=10**9)))
    with pytest.raises(UserError, match="requests 1000000000 batches, but should request at most 10,000"):
        check.without_data(bound)


def test_two_data_sets_may_not_share_a_file() -> None:
    content = lottery.params(
        toy=lottery.experiment(data={"name": "a.b:c", "validation": 30}),
        other=lottery.experiment(data={"name": "a_b:c", "validation": 30}),
    )
    found = config.Config.model_validate_json(json.dumps(content))
    with pytest.raises(UserError, match=r"have the same file, work/data/a_b_c.safetensors"):
        check.data_sets(found.experiments.values())
    found = config.Config.model_validate_json(
        json.dumps(lottery.params(toy=lottery.experiment(data={"name": "fashion:mnist", "validation": 1})))
    )
    with pytest.raises(UserError, match=r"have the same file, work/data/fashion_mnist.safetensors"):
        check.data_sets(found.experiments.values())


# --- Anything at all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("mutants")
    torture.prepare(found)
    return found


@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**40))
def test_mutated_settings_are_accepted_or_refused_in_a_sentence(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for case, (outcome, why) in torture.in_child(seed, range(1, 6)).items():
        assert outcome in ("accepted", "refused"), f"seed {seed}, case {case}: {why}"


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (lambda: os._exit(3), "ended the process with 3"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: torture_error("x" * 10**5), "the message is no sentence"),
        (lambda: torture_error("a\x1b[31m"), "the message is no sentence"),
        (lambda: torture_error(""), "the message is no sentence"),
        (lambda: [i for i in iter(int, 1)], "took more than"),
    ],
)
def test_the_torture_notices_what_is_wrong(reader: Any, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torture.config, "load", reader)
    monkeypatch.setattr(torture, "SECONDS", 0.3)
    [(outcome, why)] = torture.in_child(1, range(1)).values()
    assert outcome == "wrong"
    assert words in why


def torture_error(message: str) -> None:
    raise UserError(message)
