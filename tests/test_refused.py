"""What a user is told when settings and DVC files are wrong, by real `dvc repro` and by stages in processes of their own.

Nothing is trained.
"""

import sys

import pytest

from tests.reproduced import Repository


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.mark.slow
def test_bad_input_ends_every_stage_with_one_sentence(repository: Repository) -> None:
    params = repository.folder / "params.yaml"
    good = params.read_text()
    params.write_text(good.replace("lr: 0.002", "lr: fast"))
    for script, argument in (("download", "digits"), ("train_dense", "one"), ("prune", "one/r01"), ("report", "main")):
        output = repository.run(sys.executable, "-m", f"stages.{script}", argument, code=1)
        assert output == 'error: params.yaml: experiments.one.optimizer.lr is "fast": should be a valid number\n'
    params.write_text(good)
    output = repository.run(sys.executable, "-m", "stages.retrain", "seven", code=1)
    assert output == "error: 'seven' does not name a round; should be like lenet/r07 or lenet/reinit_r07\n"
