"""The look of figures: colours, sizes, and the colour, marker and label of each arm, which are the same in all figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Okabe & Ito's colours, which the colour-blind can tell apart; without yellow, which is faint on white.
BLACK, BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
WINE, OLIVE = "#882255", "#999933"  # Tol's colours, which differ from those above; there are more than seven known arms
GREY = "#555555"  # for the dense network and for everything that is neither an arm nor an experiment
LONGER = "-."  # for arms that keep all weights
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
RAMP = ("#FDA50F", "#E4603B", "#B5305C", "#761B6D", "#2D0B59")  # of matplotlib's inferno
MARKERS = ("o", "^", "s", "D", "v", "d", "p", "<")  # markers of which hollow and filled ones can be distinguished
WIDTH, HEIGHT = 7.4, 3.5  # inches
ROW = 0.18  # inches that a row of the legend takes beyond the second
ENTRY, LETTER = 0.62, 0.06  # inches that a legend's column takes beside its labels, and that a letter takes on average
NOTE = 8.0  # the size of the line below a figure
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "savefig.facecolor": "white",  # readable on a dark page too
    "svg.fonttype": "path",  # looks the same wherever it is opened, whatever fonts are there
    "svg.hashsalt": "lottery",
}


@dataclass(frozen=True)
class Look:
    """from_dense: whether the line begins at the dense network, which the arm is at density 1; not so with fresh weights."""

    label: str
    colour: str
    marker: str
    line: Any
    from_dense: bool = True


# No two known arms share a colour or a marker, because any two may be in one figure: without tickets, another arm takes their
# place.
LOOKS = {
    "ticket": Look("ticket", BLUE, "o", "-"),
    "one_shot": Look("one-shot ticket", GREEN, "s", "-"),
    "lr_rewind": Look("learning-rate rewinding", ORANGE, "D", "-"),
    "fine_tune": Look("fine-tuning", SKY, "v", "-"),
    "continued": Look("ticket, mask without resets", BLACK, ">", "-"),
    "reinit": Look("random reinit", VERMILLION, "^", "--", from_dense=False),
    "one_shot_reinit": Look("random reinit, one-shot mask", OLIVE, "p", "--", from_dense=False),
    "random_mask": Look("random mask", WINE, "d", ":"),
    "shuffled_mask": Look("shuffled mask", PURPLE, "<", ":"),
    "dense_long": Look("dense, trained as long as all rounds", GREY, "", LONGER),  # a level line, as the dense network's
}


# Arms that have a label but no look of their own: they are many, and a figure that shows a few of them gives them free looks.
LABELS = {
    "survivors": "weights drawn from the survivors'",
    "permuted": "ticket's weights, permuted",
    "same_sign": "fresh magnitudes, ticket's signs",
    "constant": "one magnitude, ticket's signs",
    "random_sign": "ticket's magnitudes, random signs",
    "initial_magnitude": "pruned by magnitude before training",
    "global_magnitude": "magnitude (global)",
    "random": "random (uniform)",
    "random_erk": "random (ERK)",
    "random_balanced": "random (balanced)",
    "movement": "movement",
    "magnitude_increase": "magnitude increase",
    "snip": "SNIP (before training)",
    "grasp": "GraSP (before training)",
    "synflow": "SynFlow (before training)",
    "taylor": "first-order Taylor",
    "fisher": "Fisher (OBD)",
    "noise_half": "ticket with noise of 0.5σ",
    "noise_1": "ticket with noise of 1σ",
    "noise_2": "ticket with noise of 2σ",
    "noise_3": "ticket with noise of 3σ",
    "transferred": "ticket of another data set",
    "other_order": "ticket, other order of the data",
    "units": "ticket of whole units",
    "units_reinit": "random reinit, mask of whole units",
    "two_four": "one-shot ticket, 2:4 blocks (output 3:4)",
    "dense_other_order": "dense, other order of the data",
}


def label(arm: str, labels: Mapping[str, str]) -> str:
    """An arm in figures and sentences. labels: the user's, of `figures:` in params.yaml."""
    if arm in labels:
        return labels[arm]
    return LOOKS[arm].label if arm in LOOKS else LABELS.get(arm, arm.replace("_", " "))


def looks(arms: Iterable[str], labels: Mapping[str, str]) -> dict[str, Look]:
    """Of the arms of one figure, in this order. An unknown arm gets the next look that no other arm of the figure has."""
    shown = list(arms)
    found = {arm: LOOKS[arm] for arm in shown if arm in LOOKS}
    for arm in shown:
        if arm not in found:
            used = [(look.colour, look.marker) for look in found.values()]
            colour, marker = _free(used)
            found[arm] = Look("", colour, marker, "-." if colour in dict(used) else "-", from_dense=False)
    return {arm: Look(capital(label(arm, labels)), *_rest(found[arm])) for arm in shown}


def ramp(n: int) -> list[str]:
    """n colours from light to dark, for densities from the largest to the smallest. Colour-blind readers can order them too."""
    return [RAMP[round(i * (len(RAMP) - 1) / max(1, n - 1))] if n > 1 else RAMP[-1] for i in range(n)]


def pair(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th experiment of a figure: another pair for each of 56."""
    return COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]


def _free(used: list[tuple[str, str]]) -> tuple[str, str]:
    """The colour and the marker that are used least, of those that are not used together."""
    colours, markers = [c for c, _ in used], [m for _, m in used]
    pairs = [(colour, marker) for colour in COLOURS for marker in MARKERS if (colour, marker) not in used]
    return min(pairs or [pair(len(used))], key=lambda p: (colours.count(p[0]), markers.count(p[1])))


def _rest(look: Look) -> tuple[str, str, Any, bool]:
    return look.colour, look.marker, look.line, look.from_dense


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
