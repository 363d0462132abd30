"""torchvision's networks by name: which weights are found, what they are trained on, and what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.domain.networks import Network
from pipeline.preview.show import show
from pipeline.run import code, device
from pipeline.settings import config
from pipeline.training.autograd import why_not_batched
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from stages import train_dense
from tests import lottery, toy
from tests.named import sentence

IMAGE = (3, 32, 32)


def network(name: str, shape: tuple[int, ...] = IMAGE, **options: Any) -> Network:
    return toy.network(f"torchvision:{name}", shape, 5, **options)


def of_kind(chosen: Network, kind: str) -> list[str]:
    return [name for name, layer in chosen.layers.items() if layer.kind == kind]


@pytest.mark.parametrize(
    ("name", "kinds", "output"),
    [
        ("resnet18", {"conv": 17, "downsample": 3, "output": 1}, "fc"),
        ("mobilenet_v2", {"conv": 52, "output": 1}, "classifier.1"),
        ("densenet121", {"conv": 120, "output": 1}, "classifier"),
        ("regnet_x_400mf", {"conv": 67, "downsample": 4, "output": 1}, "fc"),
        ("squeezenet1_1", {"conv": 25, "output": 1}, "classifier.1"),
        ("swin_t", {"conv": 1, "attention": 24, "fc": 27, "output": 1}, "head"),
        ("vit_b_32", {"conv": 1, "attention": 24, "fc": 24, "output": 1}, "heads.head"),
    ],
)
def test_the_weights_are_found_with_their_kinds(name: str, kinds: dict[str, int], output: str) -> None:
    chosen = network(name)
    assert Counter(toy.kinds(chosen).values()) == kinds
    assert of_kind(chosen, "output") == [f"{output}.weight"]
    assert chosen.layers[f"{output}.weight"].shape[0] == 5
    small = [n for n in chosen.left_out if not n.endswith(("table", "class_token", "pos_embedding"))]
    assert small == []


def test_the_kinds_of_a_resnet_and_a_transformer_are_those_of_the_right_layers() -> None:
    assert of_kind(network("resnet18"), "downsample") == [f"layer{i}.0.downsample.0.weight" for i in (2, 3, 4)]
    first = [f"encoder.layers.encoder_layer_0.self_attention.{n}" for n in ("in_proj_weight", "out_proj.weight")]
    assert of_kind(network("vit_b_32"), "attention")[:2] == first


def test_the_network_is_torchvisions_own_but_for_the_stem() -> None:
    plain, small = network("resnet18").module, network("resnet18", small_images=True).module
    from torchvision import models

    theirs = models.resnet18(weights=None, num_classes=5)
    assert str(plain) == str(theirs)
    assert [n for n, p in small.named_parameters() if p.shape != theirs.get_parameter(n).shape] == ["conv1.weight"]
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    assert str(small) == str(theirs)
    sizes = []
    small.layer1.register_forward_hook(lambda _, x, y: sizes.append(y.shape[2:]))  # type: ignore[union-attr]
    small(torch.zeros(1, *IMAGE))
    assert sizes == [(32, 32)]  # every pixel reaches the blocks
    drawn = small.conv1.weight.std() / (2 / (64 * 9)) ** 0.5  # as torchvision draws convolutions  # type: ignore[union-attr]
    assert 0.9 < drawn < 1.1


def test_a_transformer_takes_images_of_another_size() -> None:
    assert network("vit_b_32", (3, 64, 64)).module.encoder.pos_embedding.shape[1] == 1 + 2 * 2  # type: ignore[union-attr]


def test_googlenet_has_no_further_outputs() -> None:
    """Because the loss takes one tensor."""
    module = network("googlenet").module
    assert isinstance(module.train()(torch.zeros(2, *IMAGE)), torch.Tensor)


@pytest.mark.parametrize(
    ("name", "options", "shape", "words"),
    [
        ("resnt18", {}, IMAGE, "model 'torchvision:resnt18' is none of torchvision's; should be like resnet18"),
        ("fasterrcnn_resnet50_fpn", {}, IMAGE, "is none of torchvision's"),
        ("ResNet", {}, IMAGE, "is none of torchvision's"),
        ("zzz", {}, IMAGE, "should be like alexnet, convnext_base"),
        ("__path__", {}, IMAGE, "cannot be loaded: AttributeError"),
        ("resnet18", {"width": 2}, IMAGE, "'width'; its options are small_images, zero_init_residual, groups"),
        ("resnet18", {"weights": "DEFAULT"}, IMAGE, "'weights'; its options are"),
        ("resnet18", {"num_classes": 7}, IMAGE, "'num_classes'; its options are"),
        ("alexnet", {"dropout": "much"}, IMAGE, "model 'torchvision:alexnet' failed: TypeError"),
        ("resnext50_32x4d", {"groups": 2}, IMAGE, "failed: ValueError: The parameter 'groups' expected value 32 but got 2"),
        (
            "squeezenet1_1",
            {"small_images": True},
            IMAGE,
            "small_images replaces the first layers of a ResNet, and this network is none",
        ),
        ("resnet18", {"small_images": "yes"}, IMAGE, "small_images is 'yes', but should be true or false"),
        ("resnet18", {}, (1, 28, 28), r"take images of 3 channels, but an input has the shape \(1, 28, 28\)"),
        ("resnet18", {}, (64,), r"take images of 3 channels, but an input has the shape \(64,\)"),
        ("vit_b_32", {}, (3, 32, 64), r"takes square images, but an input has the shape \(3, 32, 64\)"),
        ("vit_b_16", {}, (3, 40, 40), "Input shape indivisible by patch size"),
        ("alexnet", {}, IMAGE, r"fails on two inputs of shape \(3, 32, 32\): RuntimeError"),
    ],
)
def test_what_cannot_be_built_is_a_sentence(name: str, options: dict[str, Any], shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        network(name, shape, **options)
    assert "\n" not in str(error.value)


def test_no_weights_are_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("a download was asked for")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(models._api, "load_state_dict_from_url", refuse)
    assert network("resnet18").layers


@pytest.mark.slow
def test_every_network_can_be_bound_and_its_options_are_torchvisions() -> None:
    from torchvision import models

    for name in models.list_models(module=models):
        plugin = plugins.bind("models", f"torchvision:{name}", {})
        assert plugin.asks == {"shape", "outputs"}, name
    assert plugins.bind("models", "torchvision:vgg11_bn", {"dropout": 0.25})(shape=IMAGE, outputs=5).classifier[2].p == 0.25
    assert plugins.bind("models", "torchvision:efficientnet_b0", {"dropout": 0.3})(shape=IMAGE, outputs=5).classifier[0].p == 0.3


def test_lanes_with_a_residual_network_are_batched_and_those_of_one_that_draws_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On CUDA; on a CPU every lane is trained alone."""
    batch = torch.zeros(2, *IMAGE), torch.tensor([0, 2])
    assert why_not_batched(network("resnet18"), toy.CLASSIFICATION.loss, batch) is None
    with lottery.repository(tmp_path, lottery.params(toy=experiment("squeezenet1_1")), toy.bundle(40, 12, shape=IMAGE)):
        groups = device.groups(lottery.begin("toy"), 3, torch.device("cuda"))
    assert groups == [[0], [1], [2]]
    assert "one at a time, because this network cannot be batched: it draws random numbers" in capsys.readouterr().err


def experiment(name: str, **options: Any) -> dict[str, Any]:
    """One round of one replicate, pruning all convolutions but those of shortcuts."""
    found = lottery.experiment(
        model={"name": f"torchvision:{name}", **options},
        data={"name": "digits", "validation": 12},
        training={"iterations": 2, "batch_size": 4, "evaluate_every": 2},
        arms={"reinit": {"rounds": [1], "draws": 1}},
        seeds=[1],
    )
    found["pruning"] |= {"rates": {"conv": 0.4}, "rounds": 1}
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("resnet18", {"small_images": True}, marks=pytest.mark.slow),
        ("squeezenet1_1", {"dropout": 0.2}),
    ],
)
def test_tickets_are_trained_with_batch_norm_and_with_dropout(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    data = toy.bundle(40, 12, shape=(3, 16, 16) if name == "resnet18" else IMAGE)
    with lottery.repository(tmp_path, lottery.params(toy=experiment(name, **options)), data):
        lottery.run("toy")
        layers, mask = lottery.layers("toy"), lottery.mask("toy", "r01", 1)
        rewound = lottery.arrays("toy", "r00", "seed1", "rewind")
        lottery.is_mask_times(lottery.arrays("toy", "r01", "seed1", "start"), mask, rewound)
        trained = lottery.arrays("toy", "r01", "seed1", "trained")
    for weight, layer in layers.items():
        kept = mask[weight].mean()
        assert kept == 1 if layer.kind != "conv" else abs(kept - 0.6) < 0.02, weight
        assert not trained[weight][~mask[weight]].any()
    assert any((trained[n] != rewound[n]).any() for n in layers)
    counted = [trained[n] for n in trained if n.endswith("num_batches_tracked")]
    assert len(counted) == (20 if name == "resnet18" else 0)
    assert all(count == 2 for count in counted)


def test_show_and_a_stage_tell_of_an_unknown_name(tmp_path: Path) -> None:
    with lottery.repository(tmp_path, lottery.params(toy=experiment("resnet18"))):
        lottery.write_params(paths.PARAMS, lottery.params(toy=experiment("resnt18")))
        with pytest.raises(UserError, match=r"experiments\.toy: model 'torchvision:resnt18' is none of torchvision's") as shown:
            show("toy", config.load().experiment("toy"))
        assert str(shown.value) in sentence(train_dense.main, "toy")


def test_the_file_that_adapts_the_networks_is_a_dependency() -> None:
    for find in (code.closure, code.dependencies):
        assert "pipeline/models/_torchvision.py" in find([Path("stages/retrain.py")], [("models", "torchvision:resnet18")])
        assert "pipeline/models/_torchvision.py" not in find([Path("stages/retrain.py")], [("models", "resnet")])
