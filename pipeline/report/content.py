"""The figures of the report, in its order, and what the paper (Frankle & Carbin, ICLR 2019, final version) claims beside each.

To add a figure, add a record to FIGURES; its functions are in pipeline/figures (drawing) and in here.py, inside.py, over.py,
beside.py or costs.py (sentences).
"""

from pipeline.figures import (
    connections,
    criteria,
    differences,
    early_bird,
    early_stop,
    learning_curves,
    movement,
    overlap,
    several,
    stability,
    structures,
    survivors,
)
from pipeline.report import beside, costs, here, inside, over
from pipeline.report.figure import Figure, Subject
from pipeline.results import examined
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT
from pipeline.settings import measured, networks, places
from pipeline.values.lanes import DENSE

LENET = Subject("LeNet", "a LeNet", networks.is_lenet, ("lenet_paper",))
SMALL = Subject(
    "LeNet and convolutional networks", "a LeNet or a convolutional network",
    lambda experiment: networks.is_lenet(experiment) or networks.is_convolutional(experiment),
)  # fmt: skip
CONVOLUTIONS = Subject(
    "Conv-2, Conv-4 and Conv-6", "a convolutional network without dropout", networks.has_no_dropout, ("conv2", "conv4", "conv6")
)
DROPOUT = Subject("Dropout", "dropout", networks.has_dropout, ("conv2_dropout", "conv4_dropout", "conv6_dropout"))
DEEP = Subject(
    "Deep networks and learning-rate warmup", "VGG-19 or a ResNet", networks.is_deep,
    ("vgg19", "vgg19_low", "vgg19_warmup", "resnet20", "resnet20_low", "resnet20_warmup"),
)  # fmt: skip

TEXTS = Subject("Language models", "a text", networks.is_text)
TWICE = Subject("Stability of training", "a network that is trained twice", measured.is_trained_twice)
SNAPSHOTS = Subject(
    "Early masks", "a LeNet that is trained twice",
    lambda experiment: networks.is_lenet(experiment) and measured.is_trained_twice(experiment),
)  # fmt: skip
STRUCTURED = Subject("Tickets of whole units", "a LeNet whose tickets remove whole units or blocks", measured.has_structures)
MANY = 5  # how many arms, besides tickets and their controls, one figure can show as lines

ITERATIONS = {  # an experiment has the paper's budget as long as it has these iterations
    "lenet_paper": 50_000, "conv2": 20_000, "conv4": 25_000, "conv6": 30_000, "conv2_dropout": 60_000, "conv4_dropout": 75_000,
    "conv6_dropout": 90_000, "vgg19": 112_000, "vgg19_low": 112_000, "vgg19_warmup": 112_000, "resnet20": 30_000,
    "resnet20_low": 30_000, "resnet20_warmup": 30_000,
}  # fmt: skip


def _main(outcome: Outcome) -> list[str]:
    return [outcome.main]


def _controls(outcome: Outcome) -> list[str]:
    """The tickets, the same masks with fresh weights, and what trains all weights for longer."""
    beside = (REINIT, *(row["arm"] for row in outcome.full))
    return list(dict.fromkeys([outcome.main, *(arm for arm in outcome.arms if arm in beside)]))


def _one_shot(outcome: Outcome) -> list[str]:
    shown = [outcome.main, "one_shot", REINIT, "one_shot_reinit"]
    return [arm for arm in outcome.arms if arm in shown] if "one_shot" in outcome.arms else []


def _examined(outcome: Outcome) -> list[str]:
    """The tickets, if the tables of the stage `examine` were read and contain tickets."""
    there = outcome.examined is not None and (outcome.examined["arm"] == outcome.main).any()
    return [outcome.main] if there and outcome.main != DENSE else []


def _compared(outcome: Outcome) -> list[str]:
    """The same, if their masks were compared with those of magnitude pruning: only masks of single weights are."""
    found = outcome.examined
    return [arm for arm in _examined(outcome) if found is not None and not examined.of(found, "overlap_one_shot", arm).empty]


def _further(outcome: Outcome) -> list[str]:
    """Every arm that no other figure of an experiment shows, beside the tickets and their controls; none if they are many."""
    further = _others(outcome)
    return [arm for arm in outcome.arms if arm in (*further, *_controls(outcome))] if 0 < len(further) <= MANY else []


def _many(outcome: Outcome) -> list[str]:
    """The same arms and the controls if they are too many for one figure with lines; else none."""
    further = _others(outcome)
    shown = [arm for arm in outcome.arms if arm in (*further, *_controls(outcome)[1:]) and not outcome.is_full(arm)]
    return shown if len(further) > MANY and differences.rounds(outcome, shown) else []


def _criteria(outcome: Outcome) -> list[str]:
    """The arms that prune and rewind masks of their own, if they are many; they differ in criterion, scope or structure."""
    of_lanes = outcome.lanes.groupby("arm", sort=False)["target"].first()
    found = [arm for arm in outcome.arms if f":{places.stage('retrain', arm)}@" in of_lanes[arm]]
    return found if len(found) > MANY else []


def _others(outcome: Outcome) -> list[str]:
    elsewhere = {DENSE, *(arm for figure in (*OF_ONE, CRITERIA) for arm in (figure.arms(outcome) if figure.arms else []))}
    return [arm for arm in outcome.arms if arm not in elsewhere and not outcome.is_full(arm)]


OF_ONE = (
    Figure(
        file="learning_curves", title="Learning curves of tickets", subject=LENET, number=1, tables=("curves",),
        arms=_main, draw=learning_curves.draw, here=here.learning_curves,
        claim="(figure 3): tickets learn faster as density falls from 100% to 21.1%, then slower; at 3.6% they perform "
        "like the dense network.",
    ),
    Figure(
        file="early_stop", title="Early stop of tickets and of reinitialised controls", subject=LENET, number=2,
        arms=_controls, draw=early_stop.draw, here=here.early_stop,
        claim="(figure 4): at 21.1% of the weights early stop comes 38% earlier than dense; accuracy is over 0.3 points higher "
        "at 13.5% and returns to that of the dense network at 3.6%. With fresh weights the same masks learn ever more slowly "
        "and lose accuracy at 21.1% and below: at 21% the ticket reaches its early stop 60% earlier (2.51 times as fast) and is "
        "half a point more accurate.",
    ),
    Figure(
        file="one_shot", title="One-shot pruning", subject=LENET, number=3,
        arms=_one_shot, draw=early_stop.draw, here=here.one_shot,
        claim="(figure 4): one-shot tickets stop earlier than dense from 67.5% to 17.6% of the weights and are more accurate "
        "from 95.0% to 5.17%; iterative pruning finds smaller tickets.",
        missing="the experiment has no one-shot tickets (`arms.one_shot` in its settings).",
    ),
)  # fmt: skip
INSIDE = (
    Figure(
        file="survivors", title="Initial weights of the survivors", subject=LENET, tables=("examined",),
        arms=_examined, draw=survivors.draw, here=inside.survivors,
        claim="(appendix F.1): with Adam, the survivors' initial weights become bimodal in the second layer and in the output "
        "layer, and those of the first layer do not.",
    ),
    Figure(
        file="movement", title="Movement of the weights in training", subject=LENET, tables=("examined",),
        arms=_examined, draw=movement.draw, here=inside.movement,
        claim="(appendix F.5): the weights of winning tickets move more than the others, and away from zero.",
    ),
    Figure(
        file="connections", title="Connections of inputs and units", subject=LENET, tables=("examined",),
        arms=_examined, draw=connections.draw, here=inside.connections,
        claim="(appendix F.6): the survivors of a layer are spread evenly over the units that they come into, and unevenly over "
        "those that they leave.",
    ),
    Figure(
        file="overlap", title="Comparison of masks", subject=LENET, tables=("examined",),
        arms=_compared, draw=overlap.draw, here=inside.overlap,
        claim="(appendix F.4): masks that magnitude pruning makes from the initial weights do worse than the ticket's masks with "
        "fresh weights.",
    ),
)  # fmt: skip
FURTHER = Figure(
    file="arms", title="Further arms beside tickets", subject=SMALL, arms=_further, draw=early_stop.draw, here=here.further_arms,
    arm_claims={
        "continued": "(appendix B): masks found by rewinding to the initial weights are better than masks found by "
        "continuing from the trained weights.",
        "random_mask": "(appendix E): random reinit does better than a random mask on LeNet, and no differently on convolutional "
        "networks.",
    },
)  # fmt: skip
CRITERIA = Figure(
    file="criteria", title="Pruning criteria and scopes", subject=LENET, arms=_criteria, draw=criteria.draw, here=beside.criteria,
)  # fmt: skip
DIFFERENCES = Figure(
    file="differences", title="What matters in a ticket", subject=LENET, arms=_many, draw=differences.draw, here=here.differences,
    claim="(section 2, appendices E and F): the ticket's masks do worse with fresh weights, even if these have the distribution "
    "of the ticket's own weights (F.3). On LeNet, a random mask does even worse (E), and so do masks pruned by magnitude before "
    "training (F.4). Noise of 0.5σ on the ticket's weights does no harm, and even with noise of 3σ they are better than fresh "
    "weights (F.7).",
)  # fmt: skip
OVER = (
    Figure(
        file="conv", title=CONVOLUTIONS.title, subject=CONVOLUTIONS, number=4,
        draw=several.early_stop, here=over.convolutions,
        claim="(figure 5): at best, early stop comes 71% (Conv-2, at 8.8% of the weights), 71% (Conv-4, 9.2%) and 60% (Conv-6, "
        "15.1%) earlier than dense (3.5, 3.5 and 2.5 times as fast), and accuracy is 3.4 (4.6%), 3.5 (11.1%) and 3.3 points "
        "(26.4%) higher; all are above dense at more than 2% of the weights. Random reinits learn ever more slowly and "
        "lose accuracy as density falls.",
    ),
    Figure(
        file="dropout", title=DROPOUT.title, subject=DROPOUT, number=5, details=("dropout",),
        beside=networks.is_same_without_dropout, draw=several.early_stop, here=over.dropout,
        claim="(figure 6): before pruning, dropout adds 2.1 (Conv-2), 3.0 (Conv-4) and 2.4 points (Conv-6) of accuracy; tickets "
        "trained with it add up to 2.3, 4.6 and 4.7 points more.",
    ),
    Figure(
        file="deep", title=DEEP.title, subject=DEEP, number=6, tables=("curves",), details=("lr", "warmup", "rewind"),
        draw=several.three_points, here=over.deep,
        claim="(figures 7 and 8): at learning rate 0.1 neither network has winning tickets. VGG-19: at 0.01 they are within a "
        "point of dense down to 3.5% of the weights, at 0.1 with warmup down to 1.5%. ResNet: at 0.01 tickets reach 89.5% from "
        "41.7% to 21.9% of the weights, where dense at 0.1 has 90.5%; at 0.03 with warmup they reach 90.5% at 27.1% and win "
        "down to 11.8%.",
    ),
)  # fmt: skip
LANGUAGE = Figure(
    file="language", title=TEXTS.title, subject=TEXTS, tables=("curves",), details=("lr", "warmup", "rewind"),
    draw=several.three_points, here=over.deep,
)  # fmt: skip
STABILITY = Figure(
    file="stability", title="Stability of training", subject=TWICE, tables=("stability",), details=("lr", "warmup", "rewind"),
    draw=stability.draw, here=over.stability,
)  # fmt: skip
EARLY = Figure(
    file="early_bird", title="When the mask is found", subject=SNAPSHOTS, draw=early_bird.draw, here=over.early_bird,
)  # fmt: skip
STRUCTURES = Figure(
    file="structures", title="Tickets of whole units", subject=STRUCTURED, tables=("examined",), draw=structures.draw,
    here=costs.structures,
)  # fmt: skip
FIGURES = (*OF_ONE, *INSIDE, FURTHER, CRITERIA, DIFFERENCES, *OVER, LANGUAGE, STABILITY, EARLY, STRUCTURES)
