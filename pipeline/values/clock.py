"""Moments of training: `500it` (iterations) or `2ep` (epochs)."""

import re
from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True)
class Moment:
    """A count of iterations or of epochs. An epoch has `images // batch_size` iterations; the rest is dropped."""

    count: int
    unit: Literal["it", "ep"]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError when the text is not digits followed by `it` or `ep`."""
        found = re.fullmatch(r"(\d+)(it|ep)", text)
        if not found:
            raise ValueError("should be a count and a unit, such as 500it or 2ep")
        return cls(int(found[1]), "it" if found[2] == "it" else "ep")

    def iterations(self, per_epoch: int) -> int:
        return self.count if self.unit == "it" else self.count * per_epoch

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"
