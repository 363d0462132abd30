"""What a benchmark found, as JSON and as rows of the one table; and how cost grows, as the exponent of a power law."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from tabulate import tabulate

WORSE = 1.1  # a note explains an exponent above it


@dataclass(frozen=True)
class Row:
    """One quantity: the median of n repetitions and their range. The value is None when it could not be measured."""

    measured: str
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    target: str = ""
    met: bool | None = None
    note: str = ""

    @classmethod
    def of(cls, measured: str, unit: str, values: Sequence[float], target: str = "", note: str = "") -> "Row":
        """Compares the median with the target, which is like ">= 10" or "<= 1.25"."""
        median = statistics.median(values)
        met = None
        if target:
            relation, bound = target.split()
            met = median >= float(bound) if relation == ">=" else median <= float(bound)
        return cls(measured, unit, median, min(values), max(values), len(values), target, met, note)


@dataclass(frozen=True)
class Series:
    """A cost at several sizes, each the median of n repetitions, and how it grows.

    exponent: of y = c * x ** exponent, least squares on logarithms; exponent_top: of the upper half of the sizes alone,
    which a fixed cost flattens less. linear_share: how much of the cost at the largest size grows in proportion, in the
    fit y = a + b * x with a, b >= 0.
    """

    name: str
    x: str
    y: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    n: int
    exponent: float
    exponent_top: float
    linear_share: float
    note: str = ""

    @classmethod
    def of(cls, name: str, x: str, y: str, points: Mapping[Any, Sequence[float]], note: str = "", why: str = "") -> "Series":
        """points: the repetitions at each size. why: an explanation, which the note has when growth is worse than linear."""
        xs = tuple(sorted(points))
        ys = tuple(statistics.median(points[size]) for size in xs)
        half = min(len(xs) // 2, len(xs) - 2)
        exponents = exponent(xs, ys), exponent(xs[half:], ys[half:])
        if max(exponents) > WORSE:
            note = " ".join(part for part in (note, why or "Growth is worse than linear, which is not yet explained.") if part)
        return cls(name, x, y, xs, ys, min(map(len, points.values())), *exponents, linear_share(xs, ys), note)


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Fits a power law. Raises: ValueError when it has no meaning: fewer than two sizes, or a value that is not positive."""
    if len(set(xs)) < 2 or min(*xs, *ys) <= 0:
        raise ValueError(f"no power law goes through {list(zip(xs, ys, strict=True))}")
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def linear_share(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Fits a fixed plus a proportional cost by least relative errors, so that the small sizes count too."""
    slope, fixed = np.polyfit(xs, ys, 1, w=1 / np.asarray(ys))
    if slope <= 0:
        return 0.0
    return float(slope * max(xs) / (max(fixed, 0.0) + slope * max(xs)))


@dataclass(frozen=True)
class Section:
    """All that one benchmark found."""

    rows: list[Row] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)


def interleaved(work: Mapping[Any, Callable[[], float]], repetitions: int) -> dict[Any, list[float]]:
    """Measures in the order A B A B rather than A A B B, so that other work of the machine falls on all alike."""
    found: dict[Any, list[float]] = {name: [] for name in work}
    for _ in range(repetitions):
        for name, measure in work.items():
            found[name].append(measure())
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divides repetition by repetition."""
    return [a / b for a, b in zip(above, below, strict=True)]


Verdict = Literal["yes", "no", ""]


def markdown(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Writes the page: one table over all benchmarks, and where and when each ran. sections: those of the JSON file."""
    table = _table([cell for name, content in sections.items() for cell in _cells(name, content)])
    runs = [(name, *(str(content["about"][key]) for key in content["about"])) for name, content in sections.items()]
    about = tabulate(runs, ("benchmark", *next(iter(sections.values()))["about"]), tablefmt="github", disable_numparse=True)
    plots = [
        f"![{s['y']} against {s['x']}](benchmarks/{s['name']}.svg)" for content in sections.values() for s in content["series"]
    ]
    return "\n\n".join([TEXT, table, "## Runs", about, *(["## Growth", "\n".join(plots)] if plots else [])]) + "\n"


def markdown_rows(name: str, section: Section) -> str:
    """Writes the part of the table that one benchmark fills."""
    return _table(_cells(name, as_json(section)))


def _table(cells: Sequence[Sequence[str]]) -> str:
    header = ("benchmark", "measured", "median", "range", "n", "target", "met", "note")
    return str(tabulate(cells, header, tablefmt="github", disable_numparse=True))


TEXT = """# Benchmarks

`python -m benchmarks` writes this page. [benchmarks.json](benchmarks.json) has every point, and
[performance.md](performance.md) says what follows from them. Only ratios and exponents are claims: they come from one run on
one machine, in which the compared things took turns (A B A B). Times are there to be checked. A ratio is the median of the
repetitions' ratios. For growth, `x^k` is the power law that was fitted on logarithms through all sizes, and "top" the one
through the upper half of them. The linear share says how much of the cost at the largest size grows in proportion to the
size, in a fit of a fixed cost plus a proportional one."""


def _cells(name: str, content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows = [_row(name, Row(**row)) for row in content["rows"]]
    return rows + [_series(name, Series(**{**s, "xs": tuple(s["xs"]), "ys": tuple(s["ys"])})) for s in content["series"]]


def _row(name: str, row: Row) -> tuple[str, ...]:
    verdict: Verdict = "" if row.met is None else "yes" if row.met else "no"
    value = "not measured" if row.value is None else f"{number(row.value)} {row.unit}"
    spread = "" if row.low is None or row.high is None else f"{number(row.low)} – {number(row.high)}"
    return name, row.measured, value, spread, str(row.n or ""), row.target, verdict, row.note


def _series(name: str, s: Series) -> tuple[str, ...]:
    span = f"{number(s.xs[0])} – {number(s.xs[-1])}"
    fit = f"x^{s.exponent:.2f} (top: x^{s.exponent_top:.2f})"
    note = f"The linear share is {s.linear_share:.0%}. {s.note}".strip()
    return name, f"{s.y} against {s.x}, {span}", fit, f"{number(s.ys[0])} – {number(s.ys[-1])}", str(s.n), "", "", note


def number(value: float) -> str:
    """Writes a number with three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def as_json(section: Section) -> dict[str, Any]:
    return {"rows": [asdict(row) for row in section.rows], "series": [asdict(series) for series in section.series]}
