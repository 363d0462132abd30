"""A repository in a folder: the real code, its own params.yaml, chains and data, and the stages run as DVC would run them."""

import ast
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from ruamel.yaml import YAML

from pipeline.dag import watched, written
from pipeline.domain.bundle import Bundle
from pipeline.domain.lottery import Lottery
from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.executors import one_by_one, processes
from pipeline.files import datasets, masks, store
from pipeline.files.lane import LaneFiles
from pipeline.run import code, setup
from pipeline.run.bound import Bound
from pipeline.run.setup import Setup
from pipeline.settings import check, config, document, places
from pipeline.values import paths, plugins
from pipeline.values.lanes import Item
from pipeline.values.plugins import Source
from stages import control, prune, retrain, train_dense
from tests import toy

ROOT = Path(__file__).parent.parent


@cache
def _is_linked(root: Path, first: str) -> bool:
    return (root / first).resolve() == ROOT / first


def _once(find: Callable[..., list[str]], elsewhere: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """What our own code imports is the same in every test's folder, which has a link to it. In each folder, the pipeline searches
    again, or finds out whether it has to, which would be a third of the time of the whole suite.

    elsewhere: answers in a folder without these links.
    """
    find_once = cache(find)

    def found(scripts: Iterable[Path], used: Iterable[Source] = ()) -> list[str]:
        scripts, used = tuple(scripts), tuple(used)
        if not all(_is_linked(Path.cwd(), folder) for folder in code.OURS):
            return elsewhere(scripts, used)
        tops = {plugins.find(*source)[0].split(".")[0] for source in used}
        is_ours = all((ROOT / top).is_dir() and _is_linked(Path.cwd(), top) for top in tops)
        return list((find_once if is_ours else find)(scripts, used))  # YAML would write the same list as an alias

    return found


def _once_a_file(find: Callable[..., tuple[Path, ...]]) -> Callable[..., tuple[Path, ...]]:
    """The same for single files, for experiments with plug-ins of the tests or of the test's folder."""
    known: dict[tuple[Path, str], tuple[Path, ...]] = {}

    def found(path: Path, package: str, root: Path, tree: ast.Module) -> tuple[Path, ...]:
        if path.is_absolute() or not _is_linked(root, path.parts[0]):
            return find(path, package, root, tree)
        if (path, package) not in known:
            with chdir(ROOT):
                known[path, package] = find(path, package, ROOT, tree)
        return known[path, package]

    return found


def _once_a_content(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Each stage reads the settings, which stay the same between two stages of a test."""
    known: dict[bytes, Any] = {}

    def found(path: Path) -> Any:
        if not path.is_file():
            return read(path)
        content = path.read_bytes()
        if content not in known:
            known[content] = read(path)
        return deepcopy(known[content])

    return found


document.read = _once_a_content(document.read)
plugins.names = cache(plugins.names)  # no test adds a plug-in to this repository itself
watched.dependencies = _once(code.dependencies, elsewhere=watched.dependencies)
code.closure = _once(code.closure, elsewhere=code.closure)
code._find_imports = _once_a_file(code._find_imports)  # type: ignore[assignment]


def experiment(**changes: Any) -> dict[str, Any]:
    """Three rounds of a tiny network, with the arms of the paper's section 2."""
    return {
        "data": {"name": "digits", "validation": 30},
        "model": {"name": "lenet", "hidden": [8, 6]},
        "init": "glorot_normal",
        "optimizer": {"name": "adam", "lr": 1e-2},
        "training": {"iterations": 15, "batch_size": 20, "evaluate_every": 5},
        "pruning": {"criterion": "magnitude", "scope": "layer", "rates": {"fc": 0.4, "output": 0.2}, "rounds": 3},
        "rewind": "0it",
        "seeds": [1, 2],
        "arms": {
            "one_shot": {"rounds": [2, 3]},
            "reinit": {"rounds": [3], "draws": 2},
            "one_shot_reinit": {"rounds": [3], "draws": 1},
        },
    } | changes


def params(**experiments: Any) -> dict[str, Any]:
    return {
        "report": [next(iter(experiments))],
        "figures": {"densities": [1.0], "dpi": 60},
        "margin": 0.05,
        "experiments": experiments,
    }


def write_params(path: Path, content: Any) -> None:
    with path.open("w") as file:
        YAML(typ="safe").dump(content, file)


def read_yaml(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path.read_text()))


@contextmanager
def repository(folder: Path, content: dict[str, Any], data: Bundle | None = None) -> Iterator[Path]:
    """Every experiment is trained on `data`, whatever the name of its data set."""
    for name in ("pipeline", "stages", "tests"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    with chdir(folder):
        write_params(paths.PARAMS, content)
        write_chains()
        for slug in {found.data.slug for found in config.load().experiments.values()}:
            datasets.write_bundle(paths.data(slug), data or toy.bundle())
        yield folder


def write_chains() -> None:
    settings = config.load()
    for path, text in written.expand(settings, settings.experiments).items():
        store.write_bytes(path, text.encode())


def bound(name: str) -> Bound:
    return check.settings(name, config.load().experiment(name))


def plan(name: str) -> Lottery:
    return bound(name).lottery


def begin(name: str) -> Setup:
    return setup.begin(bound(name))


def item(name: str, of: str) -> Item:
    return Item.parse(f"{name}/{of}")


def layers(name: str) -> dict[str, Layer]:
    return masks.read_layers(name)


def run(name: str, *only: str) -> None:
    """Every stage of an experiment's chain, in order; or those of some items. That settings and chain agree is asked twice.

    On a CPU, the lanes are trained in this process, one after the other: to fork a process with all the modules of a test run
    takes longer than to train a tiny network. `stage` forks them, as users' stages do.
    """
    written.agrees(bound(name))
    with mock.patch.object(written, "agrees"), mock.patch.object(processes, "run", _in_this_process):
        for found in plan(name).items():
            if not only or found.name in only:
                stage(found)
    written.agrees(bound(name))


def _in_this_process(*job: Any) -> None:
    """Afterwards, small numbers are no longer flushed to zero: in a user's stage, only the process of a lane does that."""
    try:
        one_by_one.run(*job)
    finally:
        torch.set_flush_denormal(False)


def stage(chosen: Item) -> None:
    argument = f"{chosen.experiment}/{chosen.name}"
    if chosen.round == 0:
        train_dense.main(chosen.experiment)
    elif plan(chosen.experiment).is_control(chosen):
        control.main(argument)
    else:
        prune.main(argument)
        retrain.main(argument)


def stages(name: str) -> dict[str, Any]:
    """Those of an experiment's DVC file, or the templates of several."""
    content = read_yaml(places.chain(name))["stages"]
    return {stage: dict(found.get("do", found)) for stage, found in content.items()}


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def arrays(name: str, item: str, lane: str, which: str) -> dict[str, np.ndarray]:
    return LaneFiles(paths.lanes(name, item) / lane).weights(which)


def mask(name: str, item: str, seed: int) -> Mask:
    """Of the item that was pruned to it."""
    return store.read_mask(paths.mask(name, item, seed))


def lane_mask(name: str, item: str, lane: str) -> Mask:
    """One that was made for the lane alone."""
    return store.read_mask(LaneFiles(paths.lanes(name, item) / lane).own_mask)


def history(name: str, item: str, lane: str) -> list[dict[str, str]]:
    return store.read_csv(LaneFiles(paths.lanes(name, item) / lane).history)


def about(name: str, item: str, lane: str) -> dict[str, Any]:
    """lane.json."""
    return LaneFiles(paths.lanes(name, item) / lane).read_about()


def is_mask_times(start: toy.Arrays, chosen: Mask, weights: toy.Arrays) -> None:
    """Bit for bit, also for what has no mask."""
    assert start.keys() == weights.keys()
    for name, array in weights.items():
        expected = np.where(chosen[name], array, np.float32(0)) if name in chosen else array
        assert start[name].tobytes() == expected.astype(array.dtype).tobytes(), name


def differ(first: toy.Arrays, second: toy.Arrays) -> bool:
    return all((first[name] != second[name]).any() for name in first if name.endswith("weight"))


def environment() -> dict[str, str]:
    """Of a stage in a process of its own."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "LOTTERY_TRACKING": "off"}
