"""What README says about DVC's remotes, with a folder as remote. A bucket of S3 was tried by hand."""

from pathlib import Path

import pytest

from tests import dvced
from tests.dvced import dvc


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository whose cache was pushed to a folder, with the run cache."""
    first = dvced.repository(tmp_path / "first")
    dvc(first, "remote", "add", "--quiet", "--default", "shared", str(tmp_path / "remote"))
    dvc(first, "push", "--quiet", "--run-cache")
    dvced.commit(first)
    dvced.git(tmp_path, "clone", "--quiet", "first", "second")
    return tmp_path / "second"


def test_pull_fetches_what_was_pushed_where_other_chains_have_not_been_run(clone: Path) -> None:
    dvc(clone, "pull", "--quiet", code=1)  # the output of the other chain is nowhere
    dvc(clone, "pull", "--quiet", "--allow-missing")
    assert (clone / "out").read_text() == "lr: 1\n"
    assert not (clone / "never/lost").exists()


def test_repro_fetches_what_it_needs_and_runs_what_has_changed(clone: Path) -> None:
    repro, ran = ("repro", "--quiet", "--pull", "--allow-missing", "dvc.yaml"), clone / "ran"
    dvc(clone, *repro)
    assert not ran.exists()
    (clone / "params.yaml").write_text("lr: 2\n")
    dvc(clone, *repro)
    assert (ran.read_text(), (clone / "out").read_text()) == ("\n", "lr: 2\n")
    (clone / "params.yaml").write_text("lr: 1\n")
    dvc(clone, *repro)  # the run cache came with the remote
    assert (ran.read_text(), (clone / "out").read_text()) == ("\n", "lr: 1\n")
