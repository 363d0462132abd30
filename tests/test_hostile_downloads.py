"""What a source gives may be anything: one sentence, bounded memory and disk, and nothing outside the download's own folder."""

import gzip
import io
import pickle
import resource
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import _files, _pickles, _sources, cifar10, cifar100, fashion_mnist, king_james, mnist, moby_dick
from pipeline.values.errors import UserError
from tests.test_cifar10 import Old
from tests.test_data import Malicious

ROUTES: dict[str, tuple[Any, int]] = {  # what obtains a data set, and how many sources it has
    "mnist": (mnist.mnist, 3), "fashion_mnist": (fashion_mnist.fashion_mnist, 2), "cifar10": (cifar10.cifar10, 2),
    "cifar100": (cifar100.cifar100, 1), "king_james": (king_james.king_james, 1), "moby_dick": (moby_dick.moby_dick, 1),
}  # fmt: skip
ENDINGS = (".whl", ".tgz", ".tar.gz", ".deb")
SMALL = 100_000


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = kind
    for key, value in more.items():
        setattr(found, key, value)
    return found


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "junk": b"\x1f\x8b\xff" * 50,
    "a web page": b"<html>404</html>",
    "a pickle of a call": pickle.dumps(Malicious()),
    "half a gzip": gzip.compress(b"x" * 5000)[:-9],
    "a gzip in a gzip": gzip.compress(gzip.compress(bytes(10 * SMALL))),
    "an archive of something else": tar((member("package/other"), b"1")),
    "a bomb": tar((member("package/train-images-idx3-ubyte"), bytes(10 * SMALL))),
    "a path that leads out": tar((member("../harmed"), b"1")),
    "a link that leads out": tar((member("package/link", tarfile.SYMTYPE, linkname="/etc/passwd"), b"")),
}


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((_files, "MOST"), (_sources, "MOST_UNPACKED")):
        monkeypatch.setattr(module, name, SMALL)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """One gigabyte more than there is now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("what", HOSTILE)
def test_every_route_ends_with_one_message_that_names_each_source(
    name: str, what: str, bounded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever program is asked, it leaves the same bytes under every name that it might give them."""
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(tmp_path)

    def run(command: list[str], folder: Path, silence: float | None = None) -> None:
        files = [f"given{ending}" for ending in ENDINGS]
        pickles = [f"cifar-10-batches-py/{Path(file).stem}" for file in cifar10.SHA1]
        archives = [f"{file}.gz" for file in mnist.MD5] if command[0] == sys.executable else []
        for file in (*files, *pickles, *archives, *(f"cifar-100-python/{part}" for part in ("train", "test"))):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(HOSTILE[what])

    monkeypatch.setattr(_sources, "run", run)
    obtain, sources = ROUTES[name]
    with pytest.raises(UserError, match=f"data set '{name}' could not be had from any source") as told:
        obtain(inner)
    said = capsys.readouterr().err + str(told.value)
    assert said.count("warning: ") == sources
    assert len(str(told.value).splitlines()) == sources + 2
    assert max(map(len, str(told.value).splitlines()[1:-1])) < 300
    assert list(inner.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
@pytest.mark.parametrize("filters", [True, False])
def test_a_package_holds_files_and_folders_only(
    kind: bytes, filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not filters:  # as Python 3.11.3
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (tmp_path / "a.tgz").write_bytes(tar((member("package/a"), b"1"), (member("package/b", kind, linkname="a"), b"")))
    with pytest.raises(_sources.SourceError, match="'package/b', which leads out of its own folder"):
        _sources._unpack(tmp_path / "a.tgz", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("long_name", [False, True])
def test_a_bomb_is_refused_before_it_is_unpacked(long_name: bool, bounded: None, tmp_path: Path) -> None:
    """Also when it is in the name of a file, which tarfile reads into memory."""
    found = member("x" * 10 * SMALL) if long_name else member("package/a")
    (tmp_path / "a.tgz").write_bytes(tar((found, b"" if long_name else bytes(10 * SMALL))))
    with pytest.raises(_sources.SourceError, match=r"a\.tgz holds more than 0 MB, which no data set needs"):
        _sources._unpack(tmp_path / "a.tgz", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sources, "MOST_FILES", 3)
    (tmp_path / "a.tgz").write_bytes(tar(*((member(f"package/{i}"), b"1") for i in range(4))))
    with pytest.raises(_sources.SourceError, match="holds more than a data set needs"):
        _sources._unpack(tmp_path / "a.tgz", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_put_by_hand_may_be_no_larger_than_those_of_data_sets(
    packed: bool, bounded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = _sources.by_hand("moby_dick") / (f"{moby_dick.FILE}.gz" if packed else moby_dick.FILE)
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(bytes(10 * SMALL)) if packed else bytes(10 * SMALL))
    with pytest.raises(UserError, match=rf"by_hand/moby_dick: {file.name} holds more than 0 MB.*; replace the file"):
        moby_dick.moby_dick(tmp_path)


def test_the_bounds_are_above_what_the_data_sets_need() -> None:
    assert _files.MOST > 155_261_378  # CIFAR-100's training pickle, the largest file
    assert _sources.MOST_UNPACKED > 6 * 30_730_000  # CIFAR-10's pictures
    assert _sources.MOST_DOWNLOADED > 4 * _sources.MOST_UNPACKED  # unpacked by the program, beside its cache


def test_an_endless_download_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sources, "MOST_DOWNLOADED", 1_000_000)
    started = time.monotonic()
    with pytest.raises(_sources.SourceError, match=r"the download has more than 0\.001 GB"):
        _sources.run(["sh", "-c", "while true; do head -c 100000 /dev/zero >> part; sleep 0.01; done"], tmp_path)
    size = (tmp_path / "part").stat().st_size
    time.sleep(0.1)
    assert (tmp_path / "part").stat().st_size == size
    assert time.monotonic() - started < 10


ARRAY: Callable[..., Any] = np.zeros(0).__reduce__()[0]
PICKLES: dict[str, bytes] = {
    "nothing": b"",
    "cut": pickle.dumps(np.zeros(9))[:-20],
    "text": b"hello",
    "a call": pickle.dumps(Malicious()),
    "a builtin": b"cbuiltins\neval\n(V1\ntR.",
    "a class of NumPy": pickle.dumps(np.random.default_rng(0)),
    "an array of an exabyte": pickle.dumps(Old(np.ndarray, (10**18,), "u1")),
    "a text of an exabyte": b"\x80\x04\x8d" + (2**60).to_bytes(8, "little"),
    "an array of a wrong state": pickle.dumps(Old(ARRAY, (np.ndarray, (0,), "b"), (1, (9, 9), np.dtype("u1"), False, b"1"))),
    "an attribute of a class": b"cnumpy\nndarray\n}V__len__\nK\x01sb.",
    "a frame without an end": b"\x80\x04\x95" + b"\xff" * 8,
}


@pytest.mark.parametrize("what", PICKLES)
def test_a_pickle_of_anything_but_arrays_is_one_error(what: str, little_memory: None) -> None:
    with pytest.raises(pickle.UnpicklingError):
        _pickles.load(io.BufferedReader(io.BytesIO(PICKLES[what])))


def test_the_number_of_an_object_in_a_pickle_takes_no_memory(little_memory: None) -> None:
    """The unpickler in C fills a table of twice 2**31 places for these ten bytes."""
    assert _pickles.load(io.BytesIO(b"\x80\x02]r\xff\xff\xff\x7f.")) == []


@pytest.mark.parametrize(
    "batch",
    [
        [],
        {"data": np.zeros((1, 3072), np.uint8)},
        {"labels": [1], "data": np.zeros((1, 3071), np.uint8)},
        {"labels": [1, 2], "data": np.zeros((1, 3072), np.uint8)},
        {"labels": ["a"], "data": np.zeros((1, 3072), np.uint8)},
        {"labels": [1], "data": np.zeros((1, 3072), np.float32)},
        {"labels": [1], "data": Old(np.ndarray, (10**6, 3072), "u1")},
    ],
)
def test_a_batch_of_another_form_is_refused(batch: Any, little_memory: None) -> None:
    with pytest.raises((_sources.SourceError, pickle.UnpicklingError), match=r"data_batch_1 does not hold labels|not a pickle"):
        cifar10._of_batch("data_batch_1.bin", _pickles.load(io.BytesIO(pickle.dumps(batch))))
