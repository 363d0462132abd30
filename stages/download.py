"""`python -m stages.download mnist`: writes work/data/mnist.safetensors from the first source that has the data set."""

from pipeline.domain.bundle import Bundle
from pipeline.files import datasets
from pipeline.values import paths
from pipeline.values.errors import UserError, type_of
from stages import run_stage


def main(name: str) -> None:
    # No output depends on these modules: they find a folder and the plug-in that the settings mean, with its options.
    from pipeline.executors import scratch
    from pipeline.settings import check, config

    obtain = check.data_set(config.load().experiments.values(), name)
    with scratch.folder(paths.SCRATCH) as empty:
        bundle = obtain(folder=empty)
        if not isinstance(bundle, Bundle):
            raise UserError(f"{obtain} gives {type_of(bundle)}, but should give a Bundle (pipeline.domain.bundle)")
        check.agrees(obtain, bundle)
        datasets.write_bundle(paths.data(name), bundle)


if __name__ == "__main__":
    run_stage(main)
