"""`python -m pipeline.repro` on a small pipeline of shell commands: what runs side by side, what a failure and a kill stop."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dvc.stage.run
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.repro import mend
from pipeline.repro import plan as plans
from pipeline.repro import stage as stages
from pipeline.repro.__main__ import default_jobs

ROOT = Path(__file__).parents[1]
MEET = "touch {me}.here; for i in $(seq 100); do [ -e {other}.here ] && echo {me} > {me} && exit 0; sleep 0.1; done; exit 1"
STAGES = {
    "left": {"cmd": MEET.format(me="left", other="right"), "outs": ["left"]},
    "right": {"cmd": MEET.format(me="right", other="left"), "outs": ["right"]},
    "both": {"cmd": "cat left right > both", "deps": ["left", "right"], "outs": ["both"]},
    "wrong": {"cmd": "exit 3", "outs": ["wrong"]},
    "after_wrong": {"cmd": "cat wrong > after", "deps": ["wrong"], "outs": ["after"]},
    "at_last": {"cmd": "cat after > last", "deps": ["after"], "outs": ["last"]},
}
SLOW = {
    "sleeper": {"cmd": "trap 'echo stopped > ended; exit 1' INT; touch begun; while true; do sleep 0.1; done", "outs": ["never"]}
}
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "0",  # DVC walks over a set of stages, so that its order depends on it
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def pipeline(folder: Path, stages: dict[str, object]) -> Path:
    folder.mkdir()
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=folder, env=ENVIRONMENT, check=True)
    with (folder / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": stages}, file)
    return folder


def repro(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.repro", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)


def test_ready_stages_run_side_by_side_and_a_failure_stops_only_what_depends_on_it(tmp_path: Path) -> None:
    folder = pipeline(tmp_path / "one", STAGES)
    done = repro(folder, "--jobs", "3")
    assert done.returncode == 1
    assert (folder / "both").read_text() == "left\nright\n"  # each of the two waited for the other
    assert "exited with 3" in done.stdout
    errors = done.stderr.splitlines()
    assert errors == [
        "error: wrong failed; its messages are above",
        "error: these stages were not run, because they depend on a stage that failed: after_wrong, at_last",
    ]
    again = repro(folder, "both")
    assert again.returncode == 0
    assert "[3 of 3] 'both' has not changed" in again.stdout

    plain = pipeline(tmp_path / "two", STAGES)
    for side in ("left", "right"):
        (plain / f"{side}.here").touch()  # one stage at a time cannot meet another
    subprocess.run(["dvc", "repro", "--quiet", "both"], cwd=plain, env=ENVIRONMENT, check=True)
    assert (folder / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()


def test_bad_arguments_are_one_sentence(tmp_path: Path) -> None:
    folder = pipeline(tmp_path / "one", STAGES)
    missing = repro(folder, "nothing")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ")
    assert "Traceback" not in missing.stderr
    none = repro(folder, "--jobs", "0")
    assert none.returncode == 2
    assert "--jobs is 0, but should be at least 1" in none.stderr


@pytest.mark.slow
def test_what_a_killed_dvc_was_writing_is_mended(tmp_path: Path) -> None:
    """It writes its list of running stages and its lock files in place, and then reads neither."""
    folder = pipeline(tmp_path / "one", {n: {"cmd": f"date +%N > {n}", "deps": ["in"], "outs": [n]} for n in ("one", "two")})
    (folder / "in").touch()
    assert repro(folder).returncode == 0
    lock, made = (folder / "dvc.lock").read_bytes(), [(folder / name).read_bytes() for name in ("one", "two")]
    for broken, rest in ((".dvc/tmp/rwlock", b""), ("dvc.lock", lock[: lock.index(b"two:") + len("two:\n    cm")])):
        (folder / broken).write_bytes(rest)
        plain = subprocess.run(["dvc", "repro"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert plain.returncode and Path(broken).name in plain.stderr
        done = repro(folder)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        assert (broken in done.stderr) == (broken == "dvc.lock")
        assert (folder / "dvc.lock").read_bytes() == lock
        assert [(folder / name).read_bytes() for name in ("one", "two")] == made  # by the run cache: no command ran again


def test_a_truncated_lock_file_keeps_its_whole_entries(tmp_path: Path) -> None:
    lock, whole = tmp_path / "dvc.lock", (ROOT / "experiments/digits/dvc.lock").read_text()
    entries = YAML(typ="safe").load(whole)["stages"]
    for end in (1, 20, 50, *range(1200, len(whole), 3700)):
        lock.write_text(whole[:end])
        assert mend.lock_file(lock)
        kept = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
        begun = len(re.findall(r"^  \S", whole[:end], re.MULTILINE))
        assert list(kept.items()) == list(entries.items())[: max(0, begun - 1)]


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< ours\nschema: '2.0'\nstages:\n  one:\n    cmd: a\n  two:\n    cmd: b\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: a\n  two:\n<<<<<<< ours\n    cmd: b\n=======\n    cmd: c\n>>>>>>> theirs\n",
        "schema: '2.0'\nstages:\n  one: 1\n  two:\n    cmd: b\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: a\n  two:\n    cmd: b\n  one:\n    cmd: c\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: a\n  two:\n    cmd: b\n    deps: [a: b: c]\n    outs:\n",
        "schema: '2.0'\nstages:\n  one:\n    cmd: \udcff\n  two:\n    cm",
        "something else\n",
    ],
)
def test_a_lock_file_that_is_damaged_in_another_way_stays_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_bytes(content := text.encode(errors="surrogateescape"))
    assert not mend.lock_file(tmp_path / "dvc.lock")
    assert (tmp_path / "dvc.lock").read_bytes() == content


def test_a_run_in_the_background_of_a_script_stops_its_stages_too(tmp_path: Path) -> None:
    """Such a script ignores SIGINT, and so would all that it starts."""
    folder = pipeline(tmp_path / "one", SLOW)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen([sys.executable, "-m", "pipeline.repro"], cwd=folder, env=ENVIRONMENT)
    signal.signal(signal.SIGINT, before)
    wait_for(folder / "begun")
    process.terminate()
    assert process.wait(20) == 130
    wait_for(folder / "ended")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_goes_on_after_a_kill(tmp_path: Path, number: signal.Signals) -> None:
    folder = pipeline(tmp_path / "one", SLOW)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what the background of a script ignores, children ignore
    process = subprocess.Popen([sys.executable, "-m", "pipeline.repro"], cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    wait_for(folder / "begun")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    wait_for(folder / "ended")  # its own handler wrote it: it was interrupted, as by Ctrl-C
    if number != signal.SIGKILL:
        assert errors.decode() == "stopped; the same command goes on from the last checkpoints\n"


def wait_for(file: Path) -> None:
    for _ in range(200):
        if file.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{file.name} does not come")


def test_what_a_command_has_made_is_recorded_also_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc.stage.run, "cmd_run", lambda: None)
    before = signal.getsignal(signal.SIGINT)
    try:
        stages._record_what_ends()
        assert signal.getsignal(signal.SIGINT) == before
        dvc.stage.run.cmd_run()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a library of DVC
def test_entries_of_another_run_stay_and_a_sorted_lock_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pipeline(tmp_path / "one", STAGES))
    file, repo = Path("dvc.lock").absolute(), Repo()
    plan = plans.Plan(repo, ["both"])
    written = (
        "schema: '2.0'\nstages:\n  both: {cmd: b}\n  others: {cmd: o}\n  right: {cmd: r}\n  old: {cmd: x}\n  left: {cmd: l}\n"
    )
    file.write_text(written)
    plans.sort(repo, plan, {file: ["old"]})
    planned = [stage.name for stage in plan.stages]
    assert list(YAML(typ="safe").load(file)["stages"]) == ["old", *planned, "others"]
    inode, when = file.stat().st_ino, file.stat().st_mtime_ns
    plans.sort(repo, plan, {file: ["old"]})
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (inode, when)


def test_a_gpu_and_a_ray_of_its_own_for_each_stage_are_not_shared_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTTERY_EXECUTOR", "ray")
    assert default_jobs() == 1
