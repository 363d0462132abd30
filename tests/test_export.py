"""An exported lane can be used without this repository, computes what was trained, and is refused in one sentence otherwise."""

import importlib.util
import json
import os
import re
import shutil
import socket
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.export import agreement, folder, network
from pipeline.export.chosen import choose
from pipeline.files import store
from pipeline.files.lane import LaneFiles
from pipeline.training.examples import Examples
from pipeline.values import paths
from pipeline.values.errors import UserError
from tests import exported, lottery, toy
from tests.exported import error, export, lines_of, outputs_of, outside

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # those of torch's exporter and of MLflow
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
trained, root = exported.trained, exported.root


@pytest.mark.parametrize(
    ("item", "lane", "more"),
    [("r00", "seed2", ()), ("r02", "seed2", ()), ("one_shot_r03", "seed2", ()), ("reinit_r03", "seed2_draw2", ("--draw", "2"))],
)
def test_the_files_are_those_of_the_lane(root: Path, tmp_path: Path, item: str, lane: str, more: tuple[str, ...]) -> None:
    to = export(tmp_path / "out", *more, item=item, seed=2)
    about = lottery.about("toy", item, lane)
    expected = lottery.mask("toy", about["masks"], 2)
    mask = load_file(to / "mask.safetensors")
    assert {name: tensor.dtype for name, tensor in mask.items()} == dict.fromkeys(expected, torch.bool)
    assert all(np.array_equal(mask[name].numpy(), expected[name]) for name in expected)
    for which in ("start", "trained"):
        weights = load_file(to / f"{which}.safetensors")
        lane_has = lottery.arrays("toy", item, lane, which)
        assert {n: t.numpy().tobytes() for n, t in weights.items()} == {n: a.tobytes() for n, a in lane_has.items()}
        assert all(bool((weights[name][~mask[name]] == 0).all()) for name in mask)
    assert {path.name for path in to.iterdir()} == {"mask.safetensors", "start.safetensors", "trained.safetensors", "README.md"}


def test_a_mask_that_only_the_lane_has_is_exported(root: Path, tmp_path: Path) -> None:
    lane = LaneFiles(paths.lanes("toy", "reinit_r03") / "seed1_draw1")
    own = lottery.mask("toy", "r03", 1).scattered(np.random.default_rng(0))
    store.write_mask(lane.own_mask, own)
    store.write_json(lane.about, lane.read_about() | {"masks": None})
    mask = load_file(export(tmp_path / "out", "--draw", "1", item="reinit_r03") / "mask.safetensors")
    assert all(np.array_equal(mask[name].numpy(), own[name]) for name in own)


@pytest.mark.slow
def test_the_lines_of_the_card_load_everything_outside_the_repository(root: Path, tmp_path: Path) -> None:
    to = export(tmp_path / "out", "--network", "onnx")
    card, inputs = to / "README.md", toy.bundle().test_inputs
    np.save(to / "inputs.npy", inputs)
    weights, program, onnx = (lines_of(card, what) for what in ("load_file", "torch.export", "onnxruntime"))
    assert [len(block.splitlines()) for block in (weights, program, onnx)] == [3, 3, 3]
    script = (
        f"{weights}\nimport numpy as np, sys\ninputs = np.load('inputs.npy')\n{onnx}\nnp.save('onnx.npy', outputs)\n"
        f"import torch; inputs = torch.from_numpy(inputs)\n{program}\nnp.save('torch.npy', outputs.detach().numpy())\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('pipeline', 'stages', 'tests')]\n"
        "print(sorted(mask), all(m.dtype == torch.bool for m in mask.values()))\n"
        "network.load_state_dict(start); np.save('start.npy', network(inputs).detach().numpy())\n"
    )
    expected = outputs_of("r02", "seed1")
    assert outside(script, to) == f"{sorted(lottery.mask('toy', 'r02', 1))} True\n"
    for name in ("torch", "onnx"):
        assert np.allclose(np.load(to / f"{name}.npy"), expected, atol=1e-5 * np.abs(expected).max()), name
    assert not np.allclose(np.load(to / "start.npy"), expected, atol=1e-2)


@pytest.mark.slow
def test_one_input_and_many_are_answered(root: Path, tmp_path: Path) -> None:
    to = export(tmp_path / "out", "--network", "onnx", experiment="own", item="r01")
    inputs = toy.bundle().test_inputs
    session, program = network.OnnxNetwork(to / "network.onnx"), torch.export.load(to / "network.pt2").module()
    every = session(inputs)
    assert np.allclose(program(torch.from_numpy(inputs)).detach().numpy(), every, atol=1e-5)
    assert np.allclose(session(inputs[3:4]), every[3:4], atol=1e-5)
    assert np.allclose(program(torch.from_numpy(inputs[3:4])).detach().numpy(), every[3:4], atol=1e-5)


@pytest.mark.slow
def test_no_file_has_paths_of_this_machine_or_its_name(root: Path, tmp_path: Path) -> None:
    to = export(tmp_path / "out", "--network", "onnx")
    with zipfile.ZipFile(to / "network.pt2") as archive:
        archive.extractall(to / "program")
    here = {
        str(lottery.ROOT),
        str(Path(lottery.ROOT).resolve()),
        sys.prefix,
        str(tmp_path),
        str(Path.home()),
        socket.gethostname(),
    }
    texts = [path.read_bytes() for path in to.rglob("*") if path.is_file()]
    assert len(texts) > 10
    assert not [name for name in here - {"/", "/root", ""} for text in texts if name.encode() in text]


def test_the_card_tells_metrics_density_and_provenance(root: Path, tmp_path: Path) -> None:
    about = lottery.about("toy", "reinit_r03", "seed1_draw2")
    text = (export(tmp_path / "out", "--draw", "2", item="reinit_r03") / "README.md").read_text()
    rows = {cells[1].strip(): cells[2].strip() for line in text.splitlines() if len(cells := line.split("|")) > 3}
    for key in ("final_accuracy", "accuracy_at_early_stop", "early_stop_iteration", "validation_loss_at_early_stop"):
        assert rows[key] == str(about[key])
    assert f"{about['density']:.2%}" in text
    assert f"{about['weights']:,}" in text
    assert about["input_key"] in rows["input_key"]
    assert about["data_digest"] in rows["data_digest"]
    assert rows["seed"] == "1, draw 2"
    assert "experiments/toy/dvc.yaml:control_reinit@r03" in rows["target"]
    assert torch.__version__ in rows["versions"]
    [settings] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(settings) == about["config"]
    assert "network.onnx" not in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lenet", "r02", "--seed", "1"), ("'lenet'", "own, toy")),
        (("toy", "r09", "--seed", "1"), ("'r09'", "r00, r01, r02, r03, one_shot_r02")),
        (("toy", "seven", "--seed", "1"), ("'toy/seven'", "lenet/r07")),
        (("toy", "r02", "--seed", "7"), ("seed 7", "one of 1, 2")),
        (("toy", "r02", "--seed", "1", "--draw", "1"), ("--draw 1", "left out")),
        (("toy", "reinit_r03", "--seed", "1"), ("--draw is missing", "one of 1, 2")),
        (("toy", "reinit_r03", "--seed", "1", "--draw", "3"), ("--draw is 3", "one of 1, 2")),
        (("own", "r02", "--seed", "1"), ("missing", "`dvc repro experiments/own/dvc.yaml:retrain@r02`")),
        (("toy", "r02", "--seed", "1", "--register", "--network", "none"), ("--register needs", "--network none")),
    ],
)
def test_what_does_not_exist_is_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: tuple[str, ...]
) -> None:
    said = error(capsys, "--network", "none", "--to", str(tmp_path / "out"), *arguments)
    assert all(part in said for part in told), said
    assert not (tmp_path / "out").exists()


def test_an_arm_that_is_drawn_once_needs_no_draw(root: Path, tmp_path: Path) -> None:
    assert "draw 1" in (export(tmp_path / "out", item="one_shot_reinit_r03") / "README.md").read_text()


def test_only_a_new_or_an_empty_folder_is_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "out"
    to.mkdir()
    assert len(list(export(to).iterdir())) == 4
    before = lottery.files(to)
    capsys.readouterr()
    lane = ("toy", "r02", "--seed", "1", "--network", "none", "--to")
    assert "is not empty" in error(capsys, *lane, str(to))
    assert "is a file" in error(capsys, *lane, str(to / "README.md"))
    assert "README.md is a file" in error(capsys, *lane, str(to / "README.md" / "below"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != to.parent)  # because root may write everywhere
    assert f"{to.parent} is not writable" in error(capsys, *lane, str(to.parent / "other"))
    assert lottery.files(to) == before


def test_damaged_and_outdated_lanes_are_told_with_their_remedy(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lane, lines = (
        LaneFiles(paths.lanes("toy", "r02") / "seed1"),
        ("toy", "r02", "--seed", "1", "--network", "none", "--to", "out"),
    )
    about = lane.read_about()
    for changed, told in (
        ({"final_accuracy": about["final_accuracy"] - 0.1}, "its code has changed"),
        ({"data_digest": "d" * 64}, "other data than work/data/digits.safetensors has"),
        ({"config": about["config"] | {"model": {"name": "lenet", "hidden": [9, 6]}}}, "another `model` than params.yaml has"),
    ):
        store.write_json(lane.about, about | changed)
        said = error(capsys, *lines)
        assert told in said
        assert "`dvc repro experiments/toy/dvc.yaml:retrain@r02` trains it anew" in said
    store.write_json(lane.about, about)
    lane.weights_file("trained").write_bytes(b"junk")
    assert "trained.safetensors is damaged" in error(capsys, *lines)
    lane.weights_file("trained").unlink()
    assert "not complete" in error(capsys, *lines)
    assert not Path("out").exists()


def test_weights_of_another_seed_are_noticed(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that fit, but are not those that lane.json is about."""
    first, dense = (LaneFiles(paths.lanes("toy", item) / "seed1") for item in ("r02", "r00"))
    shutil.copy(dense.weights_file("start"), first.weights_file("trained"))
    assert "its code has changed" in error(capsys, "toy", "r02", "--seed", "1", "--network", "none", "--to", "out")


def test_outputs_of_onnx_that_differ_are_refused(root: Path) -> None:
    chosen = choose("toy", "r02", 1, None)
    examples = Examples(chosen.setup.bundle, toy.CPU)
    module = network.taking_stored(network.with_weights(chosen.setup, chosen.trained), examples)

    def off_by(gap: float) -> agreement.RunOnnx:
        return lambda inputs: module(torch.from_numpy(inputs)).numpy() + np.float32(gap)

    largest = np.abs(outputs_of("r02", "seed1")).max()
    found = agreement.agree(chosen, module, off_by(5e-5 * largest))
    assert found.difference == pytest.approx(5e-5 * largest, rel=0.05)
    for gap in (2e-4 * largest, float("nan")):
        with pytest.raises(UserError, match="outputs of the ONNX file differ"):
            agreement.agree(chosen, module, off_by(gap))


def test_a_missing_package_is_told_before_anything_is_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "onnxruntime" else there(name, *a))
    said = error(capsys, "toy", "r02", "--seed", "1", "--to", "out")
    assert "onnxruntime, which is not installed; `make export-deps`" in said
    export(Path("out"))


def test_a_network_that_torch_cannot_export_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Branches(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs if inputs.sum() > 0 else -inputs

    for export_as, instead in ((network.program, "none"), (network.onnx, "pytorch")):
        with pytest.raises(UserError, match=f"torch cannot export this network .*--network {instead}") as told:
            export_as(Branches(), torch.zeros(2, 3))
        assert "\n" not in str(told.value)


def test_the_packages_for_onnx_are_those_of_requirements_export() -> None:
    pinned = (lottery.ROOT / "requirements-export.txt").read_text()
    assert {line.split("==")[0] for line in pinned.splitlines() if "==" in line} == set(network.NEEDED)
    assert "-r requirements-export.txt" in (lottery.ROOT / "requirements-dev.txt").read_text()
    assert folder.few(toy.bundle(test=1)).shape == (2, *toy.SHAPE)


@pytest.mark.parametrize(
    ("which", "problem"), [("start", "it has no fc1.bias"), ("trained", "fc1.bias has values that are not finite")]
)
def test_forged_weights_are_named(
    which: str, problem: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their checksum is right. Those of another shape may be those of another version of the network."""
    lane = LaneFiles(paths.lanes("toy", "r02") / "seed1")
    found = lane.weights(which)
    if which == "start":
        del found["fc1.bias"]
    else:
        found["fc1.bias"] = np.full_like(found["fc1.bias"], np.nan)
    store.write_arrays(lane.weights_file(which), found)
    said = error(capsys, "toy", "r02", "--seed", "1", "--to", str(tmp_path / "out"), "--network", "none")
    assert f"{which}.safetensors is damaged ({problem})" in said
    assert "`dvc repro experiments/toy/dvc.yaml:retrain@r02`" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": 3}, "lane.json is damaged (its config"),
        ({"masks": 3}, "lane.json is damaged (masks is 3)"),
        ({"final_accuracy": None}, "lane.json is damaged (final_accuracy is None)"),
        (
            {"metric": {"name": "rmse", "better": "lower", "unit": ""}, "rmse_at_early_stop": 1.0, "final_rmse": 1.0},
            "was trained with another metric than accuracy",
        ),
    ],
)
def test_a_forged_lane_is_named(
    change: dict[str, object], words: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = LaneFiles(paths.lanes("toy", "r02") / "seed1")
    store.write_json(lane.about, lane.read_about() | change)
    said = error(capsys, "toy", "r02", "--seed", "1", "--to", str(tmp_path / "out"), "--network", "none")
    assert words in said
    assert "`dvc repro experiments/toy/dvc.yaml:retrain@r02`" in said
