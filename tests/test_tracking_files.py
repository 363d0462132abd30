"""Weights take no room in MLflow's folder, damage of an artifact reaches no cache, and a deleted database leaves no orphans."""

import shutil
from pathlib import Path

import pytest

from pipeline.files import store
from pipeline.tracking import artifacts, connection
from pipeline.tracking.__main__ import main
from pipeline.values import paths
from tests import mirrored
from tests.mirrored import dense, is_whole, runs, ticket, write, write_experiment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of SQLAlchemy
root = mirrored.root


def artifact(run: str, name: str) -> Path:
    folder = artifacts.folder_of(runs()[run])
    assert folder is not None
    return folder / name


def is_one_file(one: Path, other: Path) -> bool:
    return one.samefile(other)


def test_weights_and_masks_are_read_only_links_to_the_files_in_work(root: Path) -> None:
    files = write(ticket())
    assert main(["sync"]) == 0
    for name in ("start.safetensors", "trained.safetensors"):
        assert is_one_file(artifact("r01/seed1", name), files.folder / name)
        assert (files.folder / name).stat().st_mode & 0o222 == 0
    assert is_one_file(artifact("r01/seed1", "mask.safetensors"), paths.mask("toy", "r01", 1))


def test_figures_and_tables_are_copies_because_a_user_may_edit_them(root: Path) -> None:
    write(ticket())
    store.write_bytes(Path("reports/toy/figures/curve.svg"), b"<svg/>")
    assert main(["sync"]) == 0
    Path("reports/toy/figures/curve.svg").write_bytes(b"edited")
    assert artifact("ticket", "report/figures/curve.svg").read_bytes() == b"<svg/>"


def test_an_artifact_follows_a_file_that_was_written_anew_with_the_same_content(root: Path) -> None:
    """As by `dvc checkout`. A file with another content is another lane's, and the artifact stays what it was."""
    files = write(ticket())
    assert main(["sync"]) == 0
    trained, there = files.weights_file("trained"), artifact("r01/seed1", "trained.safetensors")
    for path in (trained, files.weights_file("start")):
        shutil.copyfile(path, path.with_name("new"))
        path.with_name("new").replace(path)
    start = store.read_arrays(files.weights_file("start"))
    store.write_arrays(files.weights_file("start"), {name: array + 1 for name, array in start.items()})
    assert not is_one_file(trained, there)
    assert main(["sync"]) == 0
    assert is_one_file(trained, there)
    assert not is_one_file(files.weights_file("start"), artifact("r01/seed1", "start.safetensors"))


def test_where_there_can_be_no_link_files_are_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    files = write(ticket())
    assert main(["sync"]) == 0
    there = artifact("r01/seed1", "trained.safetensors")
    assert not is_one_file(there, files.weights_file("trained"))
    assert there.read_bytes() == files.weights_file("trained").read_bytes()


@pytest.mark.slow
def test_a_deleted_database_leaves_no_orphans(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_experiment()
    store.write_bytes(Path("reports/toy/figures/curve.svg"), b"<svg/>")
    assert main(["sync"]) == 0
    moved = root.rename(root.parent / "emptied")  # because this process still has the old database open
    monkeypatch.chdir(moved)
    connection.DATABASE.unlink()
    assert main(["sync"]) == 0
    is_whole()
    folders = {path.name for path in (connection.ARTIFACTS / "toy").iterdir()}
    assert folders == {run.info.run_id for name, run in runs().items() if "/" in name or name == "ticket"}


@pytest.mark.slow
def test_orphans_with_weights_that_are_nowhere_else_stay_and_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(dense())
    write(ticket(seed=2))
    assert main(["sync"]) == 0
    lost = runs()["r01/seed2"].info.run_id
    shutil.rmtree(paths.item("toy", "r01"))
    moved = root.rename(root.parent / "emptied")
    monkeypatch.chdir(moved)
    connection.DATABASE.unlink()
    capsys.readouterr()
    assert main(["sync"]) == 0
    folders = {path.name for path in (connection.ARTIFACTS / "toy").iterdir()}
    assert folders == {runs()["r00/seed1"].info.run_id, lost}
    assert "mlflow-artifacts/ has files of 1 runs that mlflow.db does not know" in capsys.readouterr().out


def test_mask_and_weights_load_back_by_a_query(root: Path) -> None:
    import mlflow
    from safetensors.torch import load_file

    write_experiment()
    assert main(["sync"]) == 0
    mlflow.set_tracking_uri(connection.uri())
    query = "tags.round = '1' and tags.arm = 'ticket' and tags.seed = '2'"
    [run] = mlflow.search_runs(experiment_names=["toy"], filter_string=query, output_format="list")
    mask = store.read_mask(Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/mask.safetensors")))
    weights = load_file(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/trained.safetensors"))
    assert mask.density == 0.5
    assert weights["fc.weight"].tolist() == [[2, 2, 2], [2, 2, 2]]
