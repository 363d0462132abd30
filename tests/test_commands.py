# ruff: noqa: E501 - the list is a table
"""Every command that README, CONTRIBUTING and docs/ name is run by a test, or the list below says why none runs it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import lottery

PAGES = [lottery.ROOT / "README.md", lottery.ROOT / "CONTRIBUTING.md", *sorted((lottery.ROOT / "docs").glob("*.md"))]
PROGRAMS = r"(?:[A-Z][A-Z_]+=\S* )*(?:make|dvc|git|python|pip|mlflow|ray|curl|rm)"
MARKS = re.compile(rf"`({PROGRAMS} [^`]+)`")  # in a sentence or a cell
BLOCKS = re.compile(r"^```(bash|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CLUSTER = "not run: needs a cluster of several machines; tests/test_ray_faults.py starts one on this machine"
SERVER = "not run: starts a server with passwords; docs/security.md and docs/mlflow.md say how it was tried"
LIMITS = "not run: makes `make torture`'s table with its full counts; tests/test_forged_files.py and others run it with few"
INSTALLS = "not run: installs packages"
MEASURES = "not run: measures times; tests/test_benchmarks.py runs it in miniature"
# A pattern for the whole command, or the first line of a block, and the test that runs it or why none does.
KNOWN = {
    # Make
    r"make setup( PYTHON=python3\.12)?|make ray|make export-deps|python -m pip install dvc-s3==\S+|pip install": INSTALLS,
    r"make repro": "tests/test_repro.py::test_again_nothing_happens",
    r"make smoke": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"make ui|python -m pipeline\.tracking ui": "tests/test_tracker_server.py::test_mlflow_listens_on_this_machine_only",
    r"make (test|test-all|check)": "not run: it runs this test, or belongs to CI",
    r"make torture": LIMITS,
    r"make audit": "tests/test_audit.py::test_only_a_whole_audit_passes",
    # DVC
    r"dvc repro": "tests/test_repro.py::test_again_nothing_happens",
    r"dvc repro (--force|--single-item)": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"dvc repro --dry": "tests/test_repro.py::test_a_plot_setting_retrains_nothing",
    r"dvc repro experiments/(NAME|conv2)/dvc\.yaml": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"dvc repro( --force --single-item)? experiments/lenet/dvc\.yaml:\S+": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"dvc repro experiments/dvc\.yaml:report_(NAME|cpu)": "tests/test_repro.py::test_a_further_report_runs_on_request_and_has_a_folder",
    r"dvc repro --pull --allow-missing": "tests/test_remotes.py::test_repro_fetches_what_it_needs_and_runs_what_has_changed",
    r"dvc (pull|checkout)( --allow-missing)?": "tests/test_remotes.py::test_pull_fetches_what_was_pushed_where_other_chains_have_not_been_run",
    r"dvc remote (add --default shared /mnt/shared/lottery|modify --local)": "tests/test_remotes.py::test_pull_fetches_what_was_pushed_where_other_chains_have_not_been_run",
    r"dvc status( experiments/<name>/dvc\.yaml)?": "tests/test_dependencies.py::test_new_files_retrain_nothing",
    r"dvc exp run -S( \S+)*": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"dvc exp run --(queue|temp)( …)?|dvc queue start( --jobs 2)?": "not run: DVC's own, with the stages that other tests run; tests/test_sync.py::test_stages_in_a_copy_fill_the_store_of_the_repository",
    r"dvc exp show( --only-changed --drop '\S+')?|dvc metrics diff( --all --targets reports/NAME/metrics\.json)?": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"dvc metrics show": "not run: DVC's own; the page names it as too wide",
    r"dvc plots diff( HEAD~1)?( --targets reports/\w+/rounds\.csv)?": "tests/test_dvc_plots.py::test_both_revisions_are_drawn_by_arm_with_early_stop_and_accuracy",
    r"dvc exp apply|python -m pipeline\.dag\.apply NAME": "tests/test_apply.py::test_an_experiment_is_applied_where_another_chain_was_never_run",
    # Git
    r"git log -1|dvc config --local cache\.type .+": "not run: git's and DVC's own",
    r"git (add experiments dvc\.lock reports|checkout( -- dvc\.lock experiments reports)?|diff|init|rev-parse HEAD)": "not run: git's own; tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    r"rm -rf \.venv": "not run: it removes the environment",
    # This project's programs
    r"python -m stages\.diff( main~5 main)?": "tests/test_compare.py::test_two_revisions_and_an_experiment_of_dvc_and_nothing_is_checked_out",
    r"python -m stages\.repeat_rounds( --show( NAME| digits| lenet)?| conv2)?": "tests/test_preview.py::test_show_tells_stages_densities_lanes_and_a_measured_time",
    r"python -m pipeline\.send( NAME)? --to (FILE|page\.html)": "tests/test_send.py::test_a_copy_names_the_commit_and_the_hardware",
    r"python -m stages\.NAME ARGUMENT": "tests/test_refused.py::test_bad_input_ends_every_stage_with_one_sentence",
    r"python -m pipeline\.tracking sync( --background <experiment>)?": "tests/test_sync.py::test_a_second_sync_adds_nothing",
    r"python -m pipeline\.repro( TARGET| --jobs (8|N)( \[TARGET …\]| experiments/digits/dvc\.yaml)?)?": "tests/test_parallel_repro.py::test_ready_stages_run_side_by_side_and_a_failure_stops_only_what_depends_on_it",
    r"python -m pipeline\.export( lenet r07 --seed 1 --to FOLDER)?": "tests/test_export.py::test_the_files_are_those_of_the_lane",
    r"python -m pipeline\.scale .+": "tests/test_scale.py::test_the_page_shows_what_its_commands_print",
    r"python -m benchmarks(\.\w+| \w+)?": MEASURES,
    r"python -m tests\.torture\.\w+ --count \d+ --seed \d": LIMITS,
    r'python -c "import torch; .+"': "not run: it needs a GPU to say more than False",
    # Servers and clusters
    r"(MLFLOW_TRACKING_URI=\S+ )?mlflow models serve.*": "tests/test_registry.py::test_a_registered_model_is_served",
    r"curl --user admin .+|export MLFLOW_TRACKING_URI=.+|python -m pip install \"mlflow\[auth\]==3\.17\.2\".*": SERVER,
    r"LOTTERY_EXECUTOR=ray (RAY_ADDRESS=host:port )?dvc repro": "tests/test_ray.py::test_a_cluster_gives_the_bytes_of_the_local_executor",
    r"ray start .+|export RAY_AUTH_MODE=.+": CLUSTER,
    r"#!/bin/bash": "not run: it needs SLURM; docs/cluster.md says how it was tried",
}
# Pages whose blocks a test follows as they stand.
FOLLOWED = {
    "your_own.md": "tests/test_your_own.py::test_the_page_runs_from_its_files_to_the_table_of_results",
    "tutorial.md": "tests/test_tutorial.py::test_the_tutorial_can_be_followed",
    "CONTRIBUTING.md": "not run: what CI does",
}


def commands(page: Path) -> Iterator[str]:
    """The first line of each block of bash, since its lines belong together; in a console, every line with a prompt."""
    text = page.read_text()
    for language, block in BLOCKS.findall(text):
        if language == "console":
            yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
        elif page.name not in FOLLOWED:
            yield block.strip().splitlines()[0].removesuffix("\\").strip()
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(command.replace("\\|", "|").split()) for command in MARKS.findall(prose))


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((lottery.ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_in_the_list(page: Path) -> None:
    unknown = [command for command in commands(page) if not any(re.fullmatch(pattern, command) for pattern in KNOWN)]
    assert not unknown, f"{page.name}: add these to KNOWN, with the test that runs them or why none does: {unknown}"


def test_the_list_has_nothing_that_no_page_names() -> None:
    named = {command for page in PAGES for command in commands(page)}
    assert len(named) > 70
    assert not [pattern for pattern in KNOWN if not any(re.fullmatch(pattern, command) for command in named)]


def test_the_tests_that_the_list_names_exist() -> None:
    found = [
        reference for how in (*KNOWN.values(), *FOLLOWED.values()) for reference in re.findall(r"tests/\w+\.py(?:::\w+)?", how)
    ]
    assert len(found) > 20
    for reference in found:
        file, _, name = reference.partition("::")
        assert (lottery.ROOT / file).is_file(), reference
        assert not name or name in functions_of(file), reference
    assert all(how.startswith(("tests/", "not run: ")) for how in (*KNOWN.values(), *FOLLOWED.values()))
