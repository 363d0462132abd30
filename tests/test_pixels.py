"""The picture of the tickets' masks on the HTML page, as a mean and for each replicate."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.domain.masks import Mask
from pipeline.figures.shown import Shown
from pipeline.files import masks
from pipeline.page import inside, pixels, vega
from pipeline.settings import config, measured, places
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item
from tests import lottery, pages, synthetic


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(synthetic.PARAMS)


def test_the_picture_counts_the_weights_that_read_each_pixel_and_only_images_have_one() -> None:
    shown = pages.examined_toy()
    picture = inside.picture(shown, {2: {7: np.arange(64), 0: np.full(64, 5)}})
    assert picture is not None
    assert picture.rounds == [1, 2, 3, 4] and picture.seeds == [7, 0]
    profiles = shown.outcome.profiles
    assert profiles is not None
    rows = profiles[(profiles["quantity"] == "input_counts") & (profiles["arm"] == "ticket") & (profiles["round"] == 2)]
    images = {(image.round, image.seed): [*image.counts] for image in picture.images}
    assert images[2, None] == rows["value"].tolist()
    assert images[2, 7] == [*range(64)] and images[2, 0] == [5] * 64
    assert {*images} == {(k, None) for k in (1, 2, 3, 4)} | {(2, 7), (2, 0)}
    means, single = picture.tops[1]
    assert means <= 6 < single <= 63  # the images of replicates have a scale of their own
    drawn = vega.drawn(picture)
    assert drawn.data["seed"] == ["", "", "7", "0", "", ""] and drawn.spec["params"][1] == {"name": "seed", "value": ""}
    assert inside.picture(synthetic.shown(synthetic.lanes()), {}) is None
    odd = shown.outcome.profiles[shown.outcome.profiles["position"] != 63] if shown.outcome.profiles is not None else None
    assert inside.picture(Shown(shown.config, {"toy": pages.with_profiles(shown.outcome, odd)}), {}) is None


def test_masks_of_single_replicates_are_counted_and_have_to_be_those_that_were_examined() -> None:
    shown = pages.examined_toy()
    profiles = shown.outcome.profiles
    assert profiles is not None
    inputs = profiles[profiles["quantity"] == "input_counts"]
    counted = {k: rows["value"].to_numpy().astype(int) for k, rows in inputs.groupby("round")}
    for number, count in counted.items():
        kept = np.arange(12)[:, None] < count  # (units, pixels)
        fewer = np.roll(kept, 1, axis=1) if number == 1 else kept
        masks.write(Item("toy", int(str(number)), "ticket"), {1: Mask({"fc1.weight": kept}), 2: Mask({"fc1.weight": fewer})})
    with pytest.raises(UserError, match=r"toy/r01/masks does not hold the masks that work/toy/profiles.csv is about"):
        pixels.counts(shown)
    masks.write(Item("toy", 1, "ticket"), {seed: Mask({"fc1.weight": np.arange(12)[:, None] < counted[1]}) for seed in (1, 2)})
    found = pixels.counts(shown)
    assert {k: [*seeds] for k, seeds in found.items()} == {k: [1, 2] for k in (1, 2, 3, 4)}
    assert all((found[k][2] == count).all() for k, count in counted.items())
    masks.write(Item("toy", 3, "ticket"), {1: Mask({"fc1.weight": np.ones((12, 64), bool)})})
    with pytest.raises(UserError, match=r"r03/masks/seed2.safetensors is missing"):
        pixels.counts(shown)
    masks.write(Item("toy", 3, "ticket"), {seed: Mask({"fc1.weight": np.ones((12, 63), bool)}) for seed in (1, 2)})
    with pytest.raises(UserError, match=r"it has no fc1.weight with 64 inputs"):
        pixels.counts(shown)


def test_the_masks_of_a_page_are_dependencies_of_its_report() -> None:
    toy = config.load().experiment("toy")
    folders = [f"work/toy/r0{k}/masks" for k in (1, 2, 3, 4)]
    assert [path.as_posix() for path in measured.pictured("toy", toy)] == folders
    for name in ("pipeline", "stages"):
        Path(name).symlink_to(lottery.ROOT / name)
    lottery.write_chains()
    assert {*folders} < {*lottery.read_yaml(places.ROOT_CHAIN)["stages"]["report"]["deps"]}
    assert measured.pictured("toy", toy.model_copy(update={"seeds": (1,)})) == []
