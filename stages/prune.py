"""Prune the weights of a round's predecessor that score lowest: one mask a replicate (section 2, step 3). NumPy only."""

from pipeline.domain import pruning
from pipeline.files import store
from pipeline.values import paths, plugins
from stages import experiment_of, item_of, run_stage


def main(argument: str) -> None:
    item = item_of(argument)
    experiment = experiment_of(item.experiment)
    layers = {
        name: pruning.Layer(a["kind"], tuple(a["shape"])) for name, a in store.read_json(paths.layers(item.experiment)).items()
    }
    groups = pruning.groups(layers, experiment.pruning.rates, experiment.pruning.scope)
    score = plugins.load("criteria", experiment.pruning.criterion)
    previous = item.previous
    with store.replacing(paths.masks(item.experiment, item.name)) as folder:
        for seed in experiment.seeds:
            lane = paths.lanes(item.experiment, previous.name) / f"seed{seed}"
            mask = store.read_mask(paths.masks(item.experiment, previous.name) / f"seed{seed}.safetensors")
            trained, initial = (store.read_arrays(lane / f"{state}.safetensors") for state in ("trained", "start"))
            scores = score({n: trained[n] for n in mask}, {n: initial[n] for n in mask})
            store.write_mask(folder / f"seed{seed}.safetensors", pruning.prune(scores, mask, groups, item.round))


if __name__ == "__main__":
    run_stage(main)
