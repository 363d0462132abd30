"""What is remembered of the imports of our own files is what a search finds, and is forgotten when a file may lead elsewhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.dag import watched
from pipeline.run import code
from pipeline.values.errors import UserError

SCRIPTS = [Path("stages/train.py")]
FILES = {
    "stages/train.py": "from pipeline.first import x\n",
    "pipeline/first.py": "x = 1\n",
    "pipeline/second.py": "y = 2\n",
}
FOUND = ["pipeline/first.py", "stages/train.py"]


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A small repository, and how often it was searched."""
    monkeypatch.chdir(tmp_path)
    for path, text in FILES.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    times: list[int] = []
    search = code.dependencies
    monkeypatch.setattr(code, "dependencies", lambda *asked: times.append(1) or search(*asked))
    yield times
    watched._state.cache_clear()


def in_a_new_process(*used: tuple[str, str]) -> list[str]:
    watched._state.cache_clear()
    code._find_file.cache_clear()
    return watched.dependencies(SCRIPTS, used)  # type: ignore[arg-type]


def test_the_same_code_is_searched_once(searched: list[int]) -> None:
    assert in_a_new_process() == in_a_new_process() == FOUND
    assert len(searched) == 1


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("pipeline/first.py", "from pipeline.second import y\nx = 1\n", ["pipeline", "stages/train.py"]),
        ("pipeline/first.py", "x = 2\n", FOUND),
        ("stages/train.py", "x = 0\n", ["stages/train.py"]),
        ("json.py", "", FOUND),
        ("numpy/__init__.py", "", FOUND),
    ],
)
def test_another_file_of_ours_or_that_may_be_imported_instead_of_a_package(
    path: str, text: str, found: list[str], searched: list[int]
) -> None:
    in_a_new_process()
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
    assert in_a_new_process() == found
    assert len(searched) == 2


def test_another_place_for_packages(searched: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_new_process()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "more")])
    in_a_new_process()
    assert len(searched) == 2


def test_code_from_elsewhere_is_searched_each_time(searched: list[int]) -> None:
    Path("mine.py").write_text("def net():\n    pass\n")
    for _ in range(2):
        assert "mine.py" in in_a_new_process(("models", "mine:net"))
    Path("pipeline/first.py").write_text("import mine\n")
    for _ in range(2):
        assert "mine.py" in in_a_new_process()
    assert len(searched) == 4


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"state": 1, "found": {}, "checksum": "0"}'])
def test_a_damaged_memory_is_no_memory(content: bytes, searched: list[int]) -> None:
    in_a_new_process()
    watched.FOUND.write_bytes(content)
    assert in_a_new_process() == FOUND
    assert in_a_new_process() == FOUND
    assert len(searched) == 2


def test_where_nothing_can_be_written_it_is_searched_each_time(searched: list[int]) -> None:
    Path(".lottery").write_text("no folder")
    assert in_a_new_process() == in_a_new_process() == FOUND
    assert len(searched) == 2


def test_a_file_that_is_not_python_is_told_each_time(searched: list[int]) -> None:
    Path("pipeline/first.py").write_text("def")
    for _ in range(2):
        with pytest.raises(UserError, match=r"first.py is not valid Python"):
            in_a_new_process()
