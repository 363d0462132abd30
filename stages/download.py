"""`python -m stages.download mnist`: writes work/data/mnist.safetensors from the first source that has the data set."""

import tempfile
from pathlib import Path

from pipeline.files import datasets
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from stages import run_stage


def main(name: str) -> None:
    from pipeline.settings import config  # a check only: a new setting must not download the data again

    config.load()  # what is wrong in params.yaml is said before anything is downloaded
    try:
        plugins.find("data", name)
    except ValueError as error:
        raise UserError(f"data set {name!r}: {error}") from None
    obtain = plugins.load("data", name)
    paths.SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=paths.SCRATCH) as folder:
        datasets.write_bundle(paths.data(name), obtain(Path(folder)))


if __name__ == "__main__":
    run_stage(main)
