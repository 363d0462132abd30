"""What is remembered of the imports of our own files is what a search finds, and is forgotten when a file may lead elsewhere."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.dag import watched
from pipeline.files import store
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


def in_a_new_process(*used: tuple[str, str], scripts: list[Path] = SCRIPTS) -> list[str]:
    watched._state.cache_clear()
    code._find_file.cache_clear()
    return watched.dependencies(scripts, used)  # type: ignore[arg-type]


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)


def test_the_same_code_is_searched_once(searched: list[int]) -> None:
    assert in_a_new_process() == in_a_new_process() == FOUND
    assert len(searched) == 1


def test_each_script_and_plug_in_of_ours_has_its_own(searched: list[int]) -> None:
    write("stages/other.py", "x = 1\n")
    write("pipeline/models/one.py", "x = 1\n")
    write("pipeline/models/two.py", "x = 1\n")
    for _ in range(2):
        assert in_a_new_process() == FOUND
        assert in_a_new_process(scripts=[Path("stages/other.py")]) == ["stages/other.py"]
        for name in ("one", "two"):
            assert f"pipeline/models/{name}.py" in in_a_new_process(("models", f"pipeline.models.{name}:x"))
    assert len(searched) == 4


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("pipeline/first.py", "from pipeline.second import y\nx = 1\n", ["pipeline", "stages/train.py"]),
        ("pipeline/first.py", "x = 2\n", FOUND),
        ("stages/train.py", "x = 0\n", ["stages/train.py"]),
        ("json.py", "", FOUND),
        ("numpy/__init__.py", "", FOUND),
        ("numpy/__init__.py", "x = 1\n", FOUND),
    ],
)
def test_another_file_of_ours_or_that_may_be_imported_instead_of_a_package(
    path: str, text: str, found: list[str], searched: list[int]
) -> None:
    in_a_new_process()
    write(path, text)
    assert in_a_new_process() == found
    assert len(searched) == 2


def test_an_empty_module_of_the_root_that_gets_content(searched: list[int]) -> None:
    write("mine.py", "")
    write("pipeline/first.py", "import mine\n")
    assert in_a_new_process() == FOUND
    write("mine.py", "x = 1\n")
    assert in_a_new_process() == ["mine.py", *FOUND]


def test_a_folder_of_ours_that_is_a_link(searched: list[int], tmp_path: Path) -> None:
    write("elsewhere/net.py", "x = 1\n")
    write("elsewhere/layers.py", "x = 1\n")
    Path("pipeline/linked").symlink_to(tmp_path / "elsewhere")
    write("pipeline/first.py", "import pipeline.linked.net\n")
    assert "pipeline/linked/net.py" in in_a_new_process()
    write("elsewhere/net.py", "import pipeline.linked.layers\n")
    assert "pipeline/linked" in in_a_new_process()  # as a whole


def test_a_file_that_changes_while_it_is_searched(searched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor may empty a file and write the same text again."""
    search, text = code.dependencies, Path("pipeline/first.py").read_text()

    def meanwhile(*asked: Any) -> list[str]:
        write("pipeline/first.py", "")
        return search(*asked)

    with monkeypatch.context() as patch:
        patch.setattr(code, "dependencies", meanwhile)
        assert in_a_new_process() == FOUND[1:]
    write("pipeline/first.py", text)
    assert in_a_new_process() == FOUND


def test_files_that_cannot_be_read_stop_nothing(searched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pipeline/unused").mkdir()
    Path("pipeline/unused/.#first.py").symlink_to("nowhere")  # as Emacs locks a file
    Path("pipeline/unused/folder.py").mkdir()
    Path(os.fsdecode(b"pipeline/unused/\xff.py")).write_text("")
    assert in_a_new_process() == in_a_new_process() == FOUND
    assert len(searched) == 1
    with monkeypatch.context() as patch:
        patch.setattr(watched, "_files", lambda root: iter([root / "gone.py"]))
        assert in_a_new_process() == FOUND
    assert len(searched) == 2


def test_something_that_was_installed(searched: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site"), tmp_path / "no text"])
    in_a_new_process()
    write("site/module.py", "")
    os.utime("site", (1, 1))
    in_a_new_process()
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


@pytest.mark.parametrize("found", [None, [1], {"x": 1}, {"x": [1]}])
def test_a_forged_memory_is_no_memory(found: Any, searched: list[int]) -> None:
    in_a_new_process()
    memory = store.read_json(watched.MEMORY)
    store.write_json(watched.MEMORY, memory | {"found": found})
    assert in_a_new_process() == FOUND


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"state": 1, "found": {}, "checksum": "0"}'])
def test_a_damaged_memory_is_no_memory(content: bytes, searched: list[int]) -> None:
    in_a_new_process()
    watched.MEMORY.write_bytes(content)
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
