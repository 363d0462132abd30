"""What the sections "Claims" and "Discussion" of a page say: the verdicts on the claims beside the paper's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.claims.claim import INSTABILITY, METRIC, OF_LANES, STOP, Claim
from pipeline.claims.judge import FAILS, HOLDS, RATE, UNDECIDED, VERDICTS
from pipeline.claims.verdicts import TESTED, Verdict, Verdicts
from pipeline.examine.quantities import QUANTITIES
from pipeline.figures import style
from pipeline.report import registry
from pipeline.report.content import FIGURES
from pipeline.report.figure import Figure
from pipeline.report.links import link
from pipeline.report.wording import count, several, sooner, sooner_between, ticked
from pipeline.results import statistics
from pipeline.results.intervals import EXACT_FROM, EXACT_TO, POWER
from pipeline.results.metric import Metric
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import percent
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values import paths
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.claims.judge import Row

Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True)
class Judgement:
    """A tested claim: a row of the table of verdicts. here: the effect with its interval and density, or why there is none.

    with_detectable: the verdict; for an undecided claim, with the effect that would have been detected.
    """

    verdict: str
    with_detectable: str
    claim: str
    experiment: str
    paper: str
    source: str
    here: str
    effect: str
    interval: str
    where: str
    n: str
    q: str

    @property
    def is_decided(self) -> bool:
        return self.verdict in (HOLDS, FAILS)


@dataclass(frozen=True)
class Judged:
    """The claims of a report: their tally, the verdicts, how these were found, and what was not tested."""

    tally: str
    rows: Sequence[Judgement]
    method: str
    untested: Sequence[str]


def claims(config: Config, report: str, outcomes: Outcomes, found: Verdicts) -> Judged:
    rows = [_judgement(verdict, outcomes) for word in VERDICTS for verdict in found if verdict.word == word]
    return Judged(
        found.tally(), rows, f"{_method(config)}{_quantities(found)}", [*_not_run(found), *_elsewhere(config, report, found)]
    )


def _judgement(verdict: Verdict, outcomes: Outcomes) -> Judgement:
    claim, row, metric = verdict.claim, verdict.row, outcomes[verdict.experiment].metric
    is_measured = isinstance(row.get("effect"), float)
    effect, interval = _effect(claim, row, metric) if is_measured else ("", "")
    return Judgement(
        verdict.word, _with_detectable(verdict, metric), claim.claim, verdict.experiment, claim.paper, claim.source,
        here(verdict, outcomes), effect, interval, _where(verdict, outcomes) if is_measured else "", str(row.get("n", "")),
        probability(row.get("q")),
    )  # fmt: skip


def probability(value: object) -> str:
    """q in a table or a sentence; empty if there is none."""
    if not isinstance(value, float):
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _with_detectable(verdict: Verdict, metric: Metric) -> str:
    size = verdict.row.get("detectable")
    if verdict.word != UNDECIDED or verdict.claim.comparison not in ("greater", "less") or not isinstance(size, float):
        return verdict.word
    return f"{verdict.word} (detectable: {_size(verdict, metric, size)})"


def _size(verdict: Verdict, metric: Metric, size: float) -> str:
    if verdict.claim.quantity == STOP:
        return sooner(size)
    return metric.size(size) if verdict.claim.quantity in (*OF_LANES, INSTABILITY) else f"{size:.2g}"


def here(verdict: Verdict, outcomes: Outcomes, interval: str = " ({})") -> str:
    """The effect with its interval and density, or the reason why there is none."""
    row = verdict.row
    if not isinstance(row.get("effect"), float):
        return str(row.get("reason") or "no common replicates")
    effect, ends = _effect(verdict.claim, row, outcomes[verdict.experiment].metric)
    return f"{effect}{interval.format(ends) if ends else ''}, {_where(verdict, outcomes)}"


def _effect(claim: Claim, row: Row, metric: Metric) -> tuple[str, str]:
    """The effect, and its interval or an empty text. If lower values of the metric are better, the difference of the values
    is given as it is, and the text says whether it is better or worse. Beside a number, a quantity is given itself.
    """
    effect, low, high = (float(v) if isinstance(v, float) else math.nan for v in (row["effect"], row["low"], row["high"]))
    has_interval = not math.isnan(low)
    if claim.quantity == STOP:
        return sooner(effect), sooner_between(low, high) if has_interval else ""
    if claim.quantity not in OF_LANES and claim.is_constant:
        effect, low, high = (value + claim.against for value in (effect, low, high))
    if claim.quantity == INSTABILITY:  # a rise of the error, in the metric's unit
        shown = metric.size(effect) if claim.is_constant else metric.gap(effect)
        between = metric.between(low, high, is_signed=not claim.is_constant).removesuffix(" points")
        return shown, between if has_interval else ""
    if claim.quantity not in OF_LANES:
        form = ".3g" if claim.is_constant else "+.3g"
        return f"{_compared(claim)} {effect:{form}}", f"{low:{form}} to {high:{form}}" if has_interval else ""
    meaning = ""
    if metric.better == "lower":
        meaning = f" ({'better' if effect > 0 else 'worse'})" if effect else ""
        effect, low, high = -effect, -high, -low
    return f"{metric.gap(effect)}{meaning}", metric.between(low, high).removesuffix(" points") if has_interval else ""


def _compared(claim: Claim) -> str:
    """The quantity of a difference, or both of them if they differ."""
    return f"`{claim.quantity}`{f' minus `{claim.against_quantity}`' if claim.against_quantity else ''}"


def _where(verdict: Verdict, outcomes: Outcomes) -> str:
    """The density of an effect, and what else has to be known to read it."""
    claim, density, rounds = verdict.claim, verdict.row["density"], verdict.row["rounds"]
    if not isinstance(density, float):
        return ""
    at = f"in the best round, most often at {percent(density)}%" if claim.density == "best" else f"at {percent(density)}%"
    least = f"the least favourable of {rounds} rounds" if isinstance(rounds, int) and rounds > 1 else ""
    speed = "a difference in speed of learning" if _learns_still(verdict, density, outcomes) else ""
    return ", ".join(filter(None, ["geometric mean" if claim.quantity == STOP else "", at, least, speed]))


def _learns_still(verdict: Verdict, density: float, outcomes: Outcomes) -> bool:
    """Whether longer training would have changed a difference in the metric, as the answers and findings say it. Of the rounds of
    a range or of the best ones, the one that is shown decides.
    """
    claim = verdict.claim
    if claim.quantity != METRIC:
        return False
    sides = [(verdict.experiment, claim.arm)]
    if not claim.is_constant:
        sides.append((claim.against_experiment.get(verdict.experiment, verdict.experiment), claim.other_arm))
    for name, arm in sides:
        outcome = outcomes[name]
        at = outcome.rows(arm)["density"].min() if arm == DENSE or outcome.is_full(arm) else density  # full ones have no other
        row = outcome.dense if arm == DENSE else statistics.at_density(outcome.table, arm, at)
        if row is not None and outcome.learns_still([row]):
            return True
    return False


def _method(config: Config) -> str:
    return f"""A claim holds if a paired t test over the replicates shows that the effect lies inside the claimed region, and it
does not hold if the test shows that the effect lies outside; otherwise it is undecided. The false discovery rate of the decided
verdicts is at most {RATE:.0%} over all tested claims of this table (Benjamini and Hochberg); q is the smallest rate at which
the claim would be decided, and n is the number of replicates. For {EXACT_FROM} to {EXACT_TO} replicates, and where all
differences are equal, an exact test by sign flips replaces the t test. An interval takes only its own claim into account, so that
a claim may be undecided although its interval excludes zero.

Early stops are compared by the geometric mean of the replicates' ratios in this table, and by their mean iterations elsewhere
on this page. A claim about the metric is also tested where training ended before the minimum of a validation loss; it is then a
claim about the speed of learning, as the table says beside its density.

"No worse" and "as accurate as" allow a margin of {100 * config.margin:g}% of the dense network's error unless the claim names
another. A claim about several rounds has to hold in each of them, and the table shows the round that supports it least. The best
round is chosen for each replicate on the other replicates. A detectable effect would have been shown with a probability of
{POWER:.0%} if the claim had been the only one tested."""


def _quantities(found: Verdicts) -> str:
    """A paragraph with the meaning of the quantities whose names are in the table; empty if there are none."""
    tested = [verdict.claim for verdict in found if verdict.word in TESTED]
    names = dict.fromkeys(name for claim in tested for name in (claim.quantity, claim.against_quantity) if name in QUANTITIES)
    return f"\n\n{'; '.join(f'`{name}` is {QUANTITIES[name]}' for name in names)}." if names else ""


# --- What is not tested


def _not_run(found: Verdicts) -> list[str]:
    """The claims about experiments of the report that its tables cannot answer, grouped by the reason."""
    reasons: dict[str, list[str]] = {}
    for verdict in found:
        if verdict.word not in VERDICTS:
            reasons.setdefault(str(verdict.row["reason"]), []).append(f"`{verdict.claim.id}` in `{verdict.experiment}`")
    return [f"{several(which)}: {reason}." for reason, which in reasons.items()]


def _elsewhere(config: Config, report: str, found: Verdicts) -> list[str]:
    """The claims about other experiments, grouped by the command that tests them."""
    here_ids = {verdict.claim.id for verdict in found}
    left = [claim for claim in found.ledger.claims if claim.id not in here_ids]
    lines = []
    for other, names in config.all_reports().items():
        ids = {claim.id for claim, _ in found.ledger.within(names)}
        mine = [claim for claim in left if claim.id in ids] if other != report else []
        left = [claim for claim in left if claim not in mine]
        if mine:
            about_whom = [name for _, name in found.ledger.within(names)]
            number, about = count(len(about_whom), "claim"), [name for name in names if name in about_whom]
            command = places.report_command(other)
            page = f"[{places.index(other)}]({link(report, places.index(other))})"
            lines.append(f"`{command}` tests {number} about {ticked(about)}; the verdicts are in {page}.")
    groups: dict[tuple[str, ...], list[str]] = {}
    for claim in left:
        first = claim.experiments[0]
        groups.setdefault((*dict.fromkeys([first, claim.against_experiment.get(first, first)]),), []).append(claim.id)
    if groups:
        needs = "; ".join(f"{ticked(names)} for {ticked(ids)}" for names, ids in groups.items())
        lines.append(
            "The remaining claims are about experiments of no report. To test them, name these experiments in `report:` of "
            f"{paths.PARAMS} (or in a report NAME of your own in `reports:`), then run `{places.REMEDY}` and `dvc repro` (or "
            f"`dvc repro {places.report_target('NAME')}`): {needs}."
        )
    return lines


# --- Discussion


def discussion(config: Config, links: Mapping[str, str], outcomes: Outcomes, found: Verdicts) -> list[str]:
    """A paragraph for each question with a claim that was tested. links: to the folder of figures of each
    experiment and, under the empty name, to the folder of the figures over several experiments.
    """
    paragraphs = []
    for question in found.ledger.discussion:
        about = [verdict for verdict in found if verdict.claim.id in question.claims and verdict.word in TESTED]
        if about:
            text = " ".join(_answer(word, [verdict for verdict in about if verdict.word == word], outcomes) for word in TESTED)
            see = _figures(config, question.figures, [verdict.experiment for verdict in about], links, outcomes)
            paragraphs.append(f"**{question.number}. {question.question}** {' '.join(text.split())}{see}")
    return paragraphs


def _answer(word: str, about: Sequence[Verdict], outcomes: Outcomes) -> str:
    """The claims with one of the verdicts, each with its numbers."""
    if not about:
        return ""
    told = [
        f"{_uncapped(verdict.claim.claim)} (`{verdict.experiment}`: {here(verdict, outcomes, ', 95% interval {}')}; "
        f"{count(int(str(verdict.row['n'])), 'replicate')})"
        for verdict in about
    ]
    start = {TESTED[0]: "It holds", TESTED[1]: "It does not hold", UNDECIDED: "It is undecided"}[word]
    link = "whether" if word == UNDECIDED else "that"
    return f"{start} {link} {f'; {link} '.join(told)}."


def _uncapped(sentence: str) -> str:
    """A claim as a part of a longer sentence. No claim begins with a name that has to keep its capital letter."""
    return (sentence[:1].lower() + sentence[1:]).removesuffix(".")


def _figures(config: Config, files: Sequence[str], experiments: list[str], links: Mapping[str, str], outcomes: Outcomes) -> str:
    """Names the figures to look at, with a link to each drawing of them in this report; empty if there is no drawing."""
    names = []
    for figure in (figure for file in files for figure in FIGURES if figure.file == file):
        if figure.arms is None:
            drawn = {"": figure.heading} if registry.members(config, list(outcomes), figure) else {}
        else:
            drawn = {name: _heading(config, figure, name) for name in dict.fromkeys(experiments) if figure.arms(outcomes[name])}
        names += [f"[{style.capital(heading)}]({links[name]}/{figure.file}.svg)" for name, heading in drawn.items()]
    return f" See {several(names)}." if names else ""


def _heading(config: Config, figure: Figure, name: str) -> str:
    is_subject = figure.subject.shows(config.experiment(name))
    return f"{figure.heading if is_subject else figure.title}: {name}"
