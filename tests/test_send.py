"""`python -m pipeline.send` copies a page and adds what the page itself must not say."""

import subprocess
from html import unescape
from pathlib import Path

import pytest

from pipeline import send
from pipeline.executors import notes
from pipeline.page import html
from pipeline.settings import places
from pipeline.values import paths
from tests import synthetic

PAGE = f"<body>{send.PLACE}</body>"
NOTE = {
    "training_seconds": 1800.0, "executor": "local", "commit": "abc", "is_dirty": True,
    "hardware": {"processor": "Processor <1>", "cores": 2, "memory_gigabytes": 24.0},
    "versions": {"python": "3.11.7", "torch": "2.14.1"},
}  # fmt: skip
OLD = {"training_seconds": 60.0}
GPU = NOTE | {"hardware": NOTE["hardware"] | {"gpus": ["NVIDIA H100", "NVIDIA H100"]}, "is_dirty": False}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(synthetic.PARAMS)
    places.page().parent.mkdir()
    places.page().write_text(PAGE)


def test_a_copy_names_the_commit_and_the_hardware() -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *arguments], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    for name, note in (("r00", NOTE), ("r01", NOTE), ("r02", GPU), ("r03", OLD), ("gone_r01", NOTE)):
        notes.write(paths.runtime("toy", name), note)
    assert send.main(["--to", "page.html"]) == 0
    said = unescape(Path("page.html").read_text())
    assert f"<li>This copy was made from commit {head}.</li>" in said
    assert (
        "took 91 minutes (where stages ran side by side, each counts): 2 on 2 cores of Processor <1>, with python 3.11.7, torch "
        "2.14.1, from commit abc and changes to it; 1 on NVIDIA H100, NVIDIA H100, with python 3.11.7, torch 2.14.1, from commit "
        "abc; 1 on ? cores of ?, with unknown versions, from commit ?. Results that DVC has restored may come from others.</li>"
    ) in said
    assert "<li>toy: the last trainings in this clone, of 4 of its " in said
    assert "<1>" not in Path("page.html").read_text()  # escaped
    assert places.page().read_text() == PAGE


def test_a_copy_says_what_is_not_known() -> None:
    assert send.main(["--to", "page.html"]) == 0
    said = Path("page.html").read_text()
    assert "git names none here" in said and "toy: no note in this clone says on what it was trained" in said


@pytest.mark.parametrize(
    ("page", "arguments", "message"),
    [
        (PAGE, ["nothing", "--to", "page.html"], "params.yaml has no report 'nothing'; its reports are main"),
        (None, ["--to", "page.html"], "reports/index.html is missing; `dvc repro` writes it"),
        ("<body>", ["--to", "page.html"], "an older version and has no place for its commit; `dvc repro` writes it anew"),
        (PAGE, ["--to", "reports/index.html"], "--to is reports/index.html, which exists, but should be a new file"),
        (PAGE, ["--to", "reports"], "--to is reports, which exists, but should be a new file"),
        (PAGE, ["--to", "params.yaml/page.html"], "cannot write params.yaml/page.html"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    page: str | None, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places.page().unlink() if page is None else places.page().write_text(page)
    assert send.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1


def test_the_template_has_a_place_for_it() -> None:
    templates = html.TEMPLATES
    assert sum(file.read_text().count(send.PLACE) for file in templates.iterdir()) == 1
