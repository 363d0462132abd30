"""The workflows of .github: what they may do, and their commands, which are run here or named as not run."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import dvced, lottery
from tests.test_compare import lanes
from tests.versioned import Versioned

FOLDER = lottery.ROOT / ".github/workflows"
WORKFLOWS = {path.name: lottery.read_yaml(path) for path in sorted(FOLDER.glob("*.yaml"))}
KNOWN = {
    "make check": "not run: it is what CI runs beside the tests",
    "make test": "not run: it runs this test",
    "make test-all": "not run: it runs this test",
    "make audit": "tests/test_audit.py, with made-up answers of the service",
    "make .venv/.ready": "not run: it installs 7 GB",
    'echo "$PWD/.venv/bin" >> "$GITHUB_PATH"': "not run: a line of the shell for GitHub",
    "dvc repro experiments/digits/dvc.yaml": "tests/test_tutorial.py",
}


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def test_each_workflow_may_only_read() -> None:
    assert {*WORKFLOWS} == {"audit.yaml", "ci.yaml", "digits.yaml", "weekly.yaml"}
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        assert all("permissions" not in job and job["timeout-minutes"] <= 60 for job in workflow["jobs"].values()), name
        assert "pull_request_target" not in workflow["on"], name  # it would run a stranger's code with rights
        assert "secrets." not in (FOLDER / name).read_text(), name


def test_only_official_actions_of_a_version_and_no_address() -> None:
    used = {step["uses"] for name in WORKFLOWS for step in steps(name) if "uses" in step}
    assert used
    assert not [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)]
    assert not [name for name in WORKFLOWS if re.search(r"https?://", (FOLDER / name).read_text())]
    checkouts = [step for name in WORKFLOWS for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_what_a_stranger_can_write_is_no_part_of_a_command() -> None:
    """Text in `${{ }}` is put into the shell's program; in the environment it stays text."""
    assert not [step["run"] for name in WORKFLOWS for step in steps(name) if "${{" in step.get("run", "")]


def test_every_command_is_run_by_a_test_or_named() -> None:
    commands = [step["run"].strip() for name in WORKFLOWS for step in steps(name) if "run" in step]
    assert {command for command in commands if command not in KNOWN} == {summary()["run"].strip()}
    assert {*KNOWN} <= {*commands}


def test_what_needs_packages_has_a_cache_for_them() -> None:
    for name in ("ci.yaml", "digits.yaml", "weekly.yaml"):
        setups = [step for step in steps(name) if step.get("uses", "").startswith("actions/setup-python@")]
        assert setups and all(step["with"]["cache"] == "pip" for step in setups)
    (cache,) = [step["with"] for step in steps("digits.yaml") if step.get("uses", "").startswith("actions/cache@")]
    assert cache["path"] == ".dvc/cache"
    assert cache["key"].startswith(cache["restore-keys"])


def summary() -> dict[str, Any]:
    (step,) = [step for step in steps("digits.yaml") if step.get("name") == "Summary"]
    return step


@pytest.mark.slow
def test_the_summary_has_settings_results_numbers_and_figures(tmp_path: Path) -> None:
    """In a small repository, in which one figure is as it was committed and another one is not."""
    repository = Versioned(tmp_path / "repository")
    dvced.dvc(repository.folder, "init", "--quiet")
    (repository.folder / "dvc.yaml").write_text("metrics: [reports/toy/metrics.json]\n")
    figures = repository.folder / "reports/digits/figures"
    figures.mkdir(parents=True)
    for name in ("early_stop", "learning_curves"):
        (figures / f"{name}.png").write_text(name)
    repository.settings()
    repository.results(lanes())
    (repository.folder / "reports/toy/metrics.json").write_text('{"accuracy": 0.95}')
    base = repository.commit()
    repository.settings(rewind="5it")
    head = repository.commit()
    repository.results(lanes(ticket=0.955, spread=0.001))  # what the job has made
    (repository.folder / "reports/toy/metrics.json").write_text('{"accuracy": 0.955}')
    (figures / "learning_curves.png").write_text("another")
    page = tmp_path / "summary.md"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(lottery.ROOT),
        "GITHUB_STEP_SUMMARY": str(page), "BASE": base, "HEAD": head, "ARTIFACT": "https://example.org/artifact",
        "EXPERIMENT": "toy", "FIGURES": "reports/digits/figures", "IMAGES": "https://example.org/raw",
    }  # fmt: skip
    assert summary()["shell"] == "bash"
    command = ["bash", "-eo", "pipefail", "-c", summary()["run"]]
    subprocess.run(command, cwd=repository.folder, env=environment, check=True)
    text = page.read_text()
    assert "| experiments.toy.rewind | 0it" in text
    assert re.search(r"^\| accuracy, ticket at 21.6% .* \| better +\|$", text, re.MULTILINE)
    assert re.search(r"^\| reports/toy/metrics.json +\| accuracy +\| 0.95 ", text, re.MULTILINE)
    assert "```mermaid" in text
    assert re.search(r"^- The dense network classifies 96.00% ", text, re.MULTILINE)
    assert "[digits.zip](https://example.org/artifact)" in text
    assert "![early_stop](https://example.org/raw/reports/digits/figures/early_stop.png)" in text
    assert "learning_curves differs from the committed figure" in text
    page.unlink()
    gone = environment | {"BASE": "0" * 40}  # as at the first push to a branch
    subprocess.run(command, cwd=repository.folder, env=gone, check=True)
    assert page.read_text().startswith(f"Git does not have the earlier revision {'0' * 40}")
    assert "- The dense network " in page.read_text()
