"""How `dvc plots` shows a table of rounds: by arm, each arm and round once, and both revisions in one drawing."""

import json
import re
import shutil
from typing import Any

import pytest
import vl_convert

from pipeline.dag.experiment import PLOT, in_git
from pipeline.settings import places
from tests import dvced, lottery, synthetic
from tests.dvced import dvc
from tests.versioned import Versioned

ROUNDS = places.rounds("toy").as_posix()


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What DVC makes of .dvc/plots/rounds.json for two revisions of a table."""
    folder = tmp_path_factory.mktemp("plots")
    repository = Versioned(folder)
    dvc(folder, "init", "--quiet")
    shutil.copytree(lottery.ROOT / ".dvc/plots", folder / ".dvc/plots")
    stages = {"made": {"cmd": "true", "plots": [in_git(places.rounds("toy"), **PLOT, title="toy")]}}
    lottery.write_params(folder / "dvc.yaml", {"stages": stages})
    repository.results(synthetic.lanes())
    dvced.commit(folder)
    repository.results([lane | {"early_stop_iteration": 7000} for lane in synthetic.lanes()])
    dvc(folder, "plots", "diff", "--quiet", "HEAD", "--targets", ROUNDS)
    (found,) = re.findall(r"var spec = (.*);$", (folder / "dvc_plots/index.html").read_text(), re.MULTILINE)
    return dict(json.loads(found))


def test_both_revisions_are_drawn_by_arm_with_early_stop_and_accuracy(spec: dict[str, Any]) -> None:
    svg = vl_convert.vegalite_to_svg(json.dumps(spec))
    texts = set(re.findall(r"<text[^>]*>([^<]+)</text>", svg))
    assert {"toy", "early-stop iteration", "test accuracy (%) at early stop", "weights left (%)"} <= texts
    assert {"dense", "ticket", "one_shot", "reinit", "HEAD", "workspace"} <= texts


def test_each_point_is_the_mean_of_all_lanes_of_an_arm_and_round(spec: dict[str, Any]) -> None:
    points = spec["spec"]["layer"][-1]
    svg = vl_convert.vegalite_to_svg(json.dumps(spec | {"spec": spec["spec"] | {"layer": [points]}}))
    labels = re.findall(r'aria-label="(weights left[^"]*)"', svg)
    told = [dict(pair.split(": ", 1) for pair in label.split("; ")) for label in labels]
    assert len(told) == 2 * 2 * (5 + 1 + 1)  # revisions, panels; dense and four tickets, one-shot, reinit
    dense = [each for each in told if each["arm"] == "dense" and each["revision"] == "HEAD"]
    lanes = [lane for lane in synthetic.lanes() if lane["arm"] == "dense"]
    stop = sum(lane["early_stop_iteration"] for lane in lanes) / len(lanes)
    accuracy = 100 * sum(lane["accuracy_at_early_stop"] for lane in lanes) / len(lanes)
    assert sorted(float(each["mean"]) for each in dense) == pytest.approx([accuracy, stop])
    assert {float(each["mean"]) for each in told if each["revision"] == "workspace" and float(each["mean"]) > 100} == {7000.0}
