"""A params.yaml with experiments of every figure, and reports over some of them."""

from tests import lottery

CONV = {
    "data": {"name": "cifar10", "validation": 5000},
    "model": {"name": "conv", "depth": 2},
    "optimizer": {"name": "adam", "lr": 2e-4},
    "training": {"iterations": 20000, "batch_size": 60, "evaluate_every": 100},
    "pruning": {"criterion": "magnitude", "scope": "layer", "rates": {"conv": 0.1, "fc": 0.2}, "rounds": 4},
    "arms": {"reinit": {"rounds": [2, 4], "draws": 2}},
}
SMALL = CONV | {
    "optimizer": {"name": "adam", "lr": 6e-4},
    "training": {
        "iterations": 2000,
        "batch_size": 60,
        "evaluate_every": 100,
        "precision": "bf16",
        "memory_format": "channels_last",
    },
    "pruning": {"criterion": "magnitude", "scope": "layer", "rates": {"conv": 0.1, "fc": 0.2}, "rounds": 2},
    "arms": {},
}
DROPOUT = CONV | {"model": {"name": "conv", "depth": 2, "dropout": 0.5}}
DEEP = CONV | {
    "data": {"name": "cifar10", "validation": 5000, "augment": {"crop": 4, "flip": True}},
    "model": {"name": "resnet", "depth": 20},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "warmup": "100it", "decay": {"at": ["20000it", "120ep"]}},
    "pruning": {"criterion": "magnitude", "scope": "global", "rates": {"conv": 0.2}, "rounds": 4},
    "rewind": "500it",
}
CONTENT = lottery.params(
    toy=lottery.experiment(),
    conv2=lottery.experiment(**CONV),
    conv2_small=lottery.experiment(**SMALL),
    conv4=lottery.experiment(**CONV | {"model": {"name": "conv", "depth": 4}, "arms": {}}),
    conv2_dropout=lottery.experiment(**DROPOUT),
    resnet=lottery.experiment(**DEEP),
    vgg=lottery.experiment(**DEEP | {"model": {"name": "vgg19"}, "rewind": "0it", "optimizer": {"name": "sgd", "lr": 0.01}}),
    own=lottery.experiment(**CONV | {"model": {"name": "tests.toy:normed", "width": 2}}),
) | {"reports": {"some": ["conv2_small", "own"], "deep": ["resnet", "vgg"], "dropout": ["conv2_dropout", "conv2"]}}
