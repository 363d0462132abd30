"""A params.yaml and a claims.yaml about made-up lanes, in which it is known what holds."""

import json
from pathlib import Path
from typing import Any

from pipeline.claims import judge, ledger
from pipeline.claims.claim import Ledger
from pipeline.claims.quantities import Source
from pipeline.settings import config, places
from tests import lottery, synthetic

BASE = {"id": "one", "claim": "It is so.", "source": "section 2", "experiments": ["toy"], "quantity": "metric", "arm": "ticket",
        "against": "dense", "comparison": "greater", "density": 0.6, "paper": "better"}  # fmt: skip


def claim(**changes: Any) -> dict[str, Any]:
    """A change to None leaves the key out."""
    return {key: value for key, value in (BASE | changes).items() if value is not None}


def of(*claims: dict[str, Any]) -> Ledger:
    return Ledger.model_validate_json(json.dumps({"claims": claims}))


def row(lanes: list[dict[str, Any]], examined: Any = None, /, **changes: Any) -> dict[str, Any]:
    """The verdict on one claim about the experiment toy, as effects.json has it."""
    sources = {"toy": Source(synthetic.outcome(lanes), examined)}
    (found,) = judge.judge(of(claim(**changes)), ["toy"], sources).values()
    return dict(found)


def write(*claims: dict[str, Any], discussion: list[dict[str, Any]] | None = None) -> Path:
    """claims.yaml in the working directory."""
    lottery.write_params(places.CLAIMS, {"claims": [*claims], "discussion": discussion or []})
    return places.CLAIMS


def read(text: str) -> Ledger:
    """From the text of a claims.yaml."""
    places.CLAIMS.write_text(text)
    return ledger.read(config.load())
