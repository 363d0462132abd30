"""The claims of a report with their verdicts, as the page, the terminal and MLflow read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.claims import ledger
from pipeline.claims.claim import Claim, Ledger
from pipeline.claims.judge import FAILS, FEW, HOLDS, UNDECIDED, VOID, Row
from pipeline.files import store
from pipeline.files.store import DamagedError
from pipeline.results import tables
from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values.errors import UserError

TESTED = (HOLDS, FAILS, UNDECIDED)
NOT_TESTED = (VOID, "not run")
NUMBERS = ("effect", "low", "high", "p", "q", "n", "detectable", "margin", "density", "rounds")


def rows(report: str) -> Mapping[str, Row]:
    """The rows of a report's effects.json. Raises: UserError when the file is missing or damaged."""
    path, target = places.ledger(report), places.claims_target(report)
    found = store.read_json(path, target)
    for key, row in found.items():
        if not _is_row(row):
            raise DamagedError(path, f"the row of {key} is not one that the stage writes", target)
    return cast(Mapping[str, Row], found)


def _is_row(row: object) -> bool:
    """Whether a row has everything that pages read in it, as what it should be."""
    if not isinstance(row, Mapping):
        return False
    if row.get("verdict") in NOT_TESTED:
        return tables.is_text(row.get("reason"))
    numbers = [row.get(key, "") for key in NUMBERS]
    right = all(number is None or tables.is_number(number) for number in numbers)
    return row.get("verdict") in (*TESTED, FEW) and tables.is_text(row.get("unit")) and right


@dataclass(frozen=True)
class Verdict:
    """A claim in one experiment, and its row of effects.json."""

    claim: Claim
    experiment: str
    row: Row

    @property
    def word(self) -> str:
        return str(self.row["verdict"])


@dataclass(frozen=True)
class Verdicts:
    """rows: of effects.json, by "<id>/<experiment>"."""

    ledger: Ledger
    rows: Mapping[str, Row]

    @classmethod
    def read(cls, config: Config, report: str) -> Verdicts | None:
        """None in a repository without claims. Raises: UserError when the verdicts are missing or are about other claims."""
        if not places.CLAIMS.is_file():
            return None
        claims, path = ledger.read(config), places.ledger(report)
        remedy = f"`dvc repro {places.claims_target(report)}`"
        found = cls(claims, rows(report))
        expected = [f"{claim.id}/{name}" for claim, name in claims.within(config.report_of(report))]
        if list(found.rows) != expected:
            raise UserError(f"{path} is not about the claims of {places.CLAIMS}; {remedy} makes it anew")
        return found

    def __iter__(self) -> Iterator[Verdict]:
        claims = {claim.id: claim for claim in self.ledger.claims}
        for key, row in self.rows.items():
            name, experiment = key.split("/")
            yield Verdict(claims[name], experiment, row)

    def tally(self) -> str:
        """Such as "Of 9 tested claims, 6 hold, 1 does not hold and 2 are undecided."."""
        words = [verdict.word for verdict in self]
        hold, fail, open_ones = (words.count(word) for word in TESTED)
        tested = hold + fail + open_ones
        if not tested:
            return "No claim could be tested."
        return (
            f"Of {tested} tested claim{'s' * (tested != 1)}, {hold} hold{'s' * (hold == 1)}, {fail} do{'es' * (fail == 1)} "
            f"not hold and {open_ones} {'is' if open_ones == 1 else 'are'} undecided."
        )
