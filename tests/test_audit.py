"""`make audit` fails unless every pinned package was audited and none has a known vulnerability."""

import importlib.util
import json
import subprocess
from types import ModuleType
from typing import Any

import pytest

from tests import lottery

GOOD = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {"name": "mlflow", "version": "3.0.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3.1.0", "3.2.0"], "aliases": []}]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.14.1)"}


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", lottery.ROOT / ".ci/audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([GOOD], 0, "Packages with known vulnerabilities: none of 1"),
        ([GOOD, BAD], 1, "mlflow 3.0.0: PYSEC-2026-1, fixed in 3.1.0, 3.2.0"),
        (
            [GOOD, UNKNOWN],
            2,
            "The audit is incomplete: the vulnerability service does not know 1 of 2 packages",
        ),
        ([], 2, "The audit is incomplete"),
    ],
)
def test_only_a_whole_audit_passes(
    packages: list[dict[str, Any]], code: int, said: str, audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    result = subprocess.CompletedProcess([], 1, json.dumps({"dependencies": packages, "fixes": []}), "")
    monkeypatch.setattr(audit.subprocess, "run", lambda *a, **k: result)
    assert audit.main(["constraints.txt"]) == code
    assert said in "".join(capsys.readouterr())


def test_an_audit_without_an_answer_fails_in_one_sentence(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'WARNING: advice\nTraceback (most recent call last):\n  File "x"\nConnectionError: the service does not answer\n'
    monkeypatch.setattr(audit.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess([], 1, "", text))
    assert audit.main(["constraints.txt"]) == 2
    assert capsys.readouterr().err == "The audit was not done: ConnectionError: the service does not answer\n"


def test_ci_does_not_need_the_service_and_the_audit_does_not_touch_the_environment() -> None:
    assert "audit" not in (lottery.ROOT / ".ci/run").read_text()
    assert "requirements-audit" not in (lottery.ROOT / "requirements-dev.txt").read_text()
    makefile = (lottery.ROOT / "Makefile").read_text()
    assert "\n\t.venv-audit/bin/python -m pip install --quiet --requirement requirements-audit.txt\n" in makefile
