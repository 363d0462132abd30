"""What the paper (Frankle & Carbin, ICLR 2019, final version) claims: fixed text, beside which the report sets results."""

from dataclasses import dataclass

from pipeline.results import family


@dataclass(frozen=True)
class Comparison:
    """What a report shows of one of the paper's networks. file: of its figure over all experiments of a report; empty for
    LeNet, which has figures in each experiment's section. experiments: those of params.yaml with the paper's budget.
    """

    figure: str
    title: str
    file: str
    network: str  # what an experiment in it trains, after "no experiment with"
    claim: str
    experiments: tuple[str, ...]


LENET = {  # of the figures of a LeNet's section: number and claim
    "learning_curves": (
        1,
        "(figure 3): tickets learn faster as density falls from 100% to 21.1%, then slower; at 3.6% they are back at the dense "
        "network.",
    ),
    "early_stop": (
        2,
        "(figure 4): at 21.1% of the weights early stop comes 38% earlier than dense; accuracy is over 0.3 points higher at "
        "13.5% and back at the dense level at 3.6%. With fresh weights the same masks learn ever slower and lose accuracy from "
        "21.1% on: at 21% the ticket is 2.51× sooner and half a point more accurate.",
    ),
    "one_shot": (
        3,
        "(figure 4): one-shot tickets stop earlier than dense from 67.5% to 17.6% of the weights and are more accurate from "
        "95.0% to 5.17%; iterative pruning finds smaller tickets.",
    ),
}
ARMS = {  # of LeNet and the convolutional networks
    "continued": "(appendix B): masks found by rewinding to the initial weights are better than masks found by going on from "
    "the trained ones",
    "random_mask": "(appendix E): random reinit does better than a random mask on LeNet, no different on convolutional networks",
}
COMPARISONS = {
    family.LENET: Comparison("Figures 1 to 3", "LeNet", "", "a LeNet", "", ("lenet_paper",)),
    family.CONV: Comparison(
        "Figure 4",
        "Conv-2, Conv-4 and Conv-6",
        "conv",
        "a convolutional network without dropout",
        "(figure 5): at best, early stop comes 3.5× (Conv-2, at 8.8% of the weights), 3.5× (Conv-4, 9.2%) and 2.5× (Conv-6, "
        "15.1%) sooner than dense, and accuracy is 3.4 (4.6%), 3.5 (11.1%) and 3.3 points (26.4%) higher; all are above dense "
        "at more than 2% of the weights. Random reinits learn ever slower and lose accuracy.",
        ("conv2", "conv4", "conv6"),
    ),
    family.DROPOUT: Comparison(
        "Figure 5",
        "Dropout",
        "dropout",
        "dropout",
        "(figure 6): before pruning, dropout adds 2.1 (Conv-2), 3.0 (Conv-4) and 2.4 points (Conv-6) of accuracy; tickets "
        "trained with it add up to 2.3, 4.6 and 4.7 points more.",
        ("conv2_dropout", "conv4_dropout", "conv6_dropout"),
    ),
    family.DEEP: Comparison(
        "Figure 6",
        "Deep networks and learning-rate warmup",
        "deep",
        "VGG-19 or a ResNet",
        "(figures 7 and 8): at learning rate 0.1 neither network has winning tickets. VGG-19: at 0.01 they are within a point of "
        "dense down to 3.5% of the weights, at 0.1 with warmup down to 1.5%. ResNet: at 0.01 tickets reach 89.5% from 41.7% to "
        "21.9% of the weights, where dense at 0.1 has 90.5%; at 0.03 with warmup they reach 90.5% at 27.1% and win down to "
        "11.8%.",
        ("vgg19", "vgg19_low", "vgg19_warmup", "resnet20", "resnet20_low", "resnet20_warmup"),
    ),
}
ITERATIONS = {  # of experiments of params.yaml that have the paper's budget, as long as they have it
    "lenet_paper": 50_000, "conv2": 20_000, "conv4": 25_000, "conv6": 30_000, "conv2_dropout": 60_000, "conv4_dropout": 75_000,
    "conv6_dropout": 90_000, "vgg19": 112_000, "vgg19_low": 112_000, "vgg19_warmup": 112_000, "resnet20": 30_000,
    "resnet20_low": 30_000, "resnet20_warmup": 30_000,
}  # fmt: skip
