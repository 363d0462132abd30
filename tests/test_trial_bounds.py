"""The trial of an experiment ends whatever the code of its plug-ins does, and costs little however much is asked for."""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.preview import estimate
from pipeline.preview.estimate import Estimate
from pipeline.preview.show import show
from pipeline.settings import bounds, check
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from stages import repeat_rounds
from tests import lottery
from tests.named import with_plugin


def experiment(content: Any) -> Experiment:
    return Experiment.model_validate_json(json.dumps(content))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("import os\nos._exit(0)", "cannot be loaded: SystemExit: os._exit(0)"),
        ("import sys\nsys.exit()", "cannot be loaded: SystemExit"),
        ("raise GeneratorExit", "the code of a plug-in raised GeneratorExit"),
        ("raise ValueError('x' * 10**6)", "cannot be loaded: ValueError: xxx"),
        ("def net(shape, outputs):\n    import os\n    os._exit(0)", "failed: SystemExit: os._exit(0)"),
        ("import time\ndef net(shape, outputs):\n    while True:\n        time.sleep(0.01)", "has not ended after 0.3 s"),
        ("import torch\ndef net(shape, outputs):\n    torch.empty(10**8).fill_(1)", "can't allocate memory"),
        ("import numpy\ndef net(shape, outputs):\n    numpy.ones(10**8)", "MemoryError: Unable to allocate"),
    ],
)
def test_code_that_ends_the_process_or_never_ends_is_told(
    module: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strange.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bounds, "PATIENCE", 0.3)
    monkeypatch.setattr(bounds, "_free", lambda: 2 * 10**8)
    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM), os._exit
    with pytest.raises(UserError) as error:
        bound = check.settings("toy", experiment(with_plugin("models", "strange:net")))
        check.without_data(bound)
    message = str(error.value)
    sys.modules.pop("strange", None)
    assert message.startswith("params.yaml: experiments.toy: ")
    assert words in message
    assert len(message) < 700
    assert before == (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM), os._exit)


def test_a_network_too_large_for_the_pruning_of_its_trial_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory ends in our own code, not in that of a plug-in."""
    monkeypatch.setattr(bounds, "_free", lambda: 10**8)
    with (
        pytest.raises(UserError, match="needs more memory than there is; the network or an option may be too large"),
        bounds.memory(),
    ):
        np.ones(10**8)


def test_the_watch_for_a_dvc_that_is_gone_goes_on_during_a_trial() -> None:
    looks: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda signum, frame: looks.append(signum))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with bounds.bounded():
            time.sleep(1.2)
            during = len(looks)
        assert during >= 2
        time.sleep(0.35)
        assert len(looks) >= during + 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_process_that_a_plug_in_forks_may_end() -> None:
    with bounds.bounded():
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_an_interrupted_command_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repeat_rounds, "main", interrupted)
    with pytest.raises(SystemExit) as ended:
        repeat_rounds.run()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; the same command begins again\n"


def test_a_container_has_less_memory_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = bounds._free()
    assert everything
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    monkeypatch.setattr(bounds, "CGROUP", tmp_path)
    assert bounds._free() == 3_000_000
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 700000\nactive_file 300000\n")
    assert bounds._free() == 4_000_000  # the system gives its cache of files back
    (tmp_path / "memory.max").write_text("max\n")
    assert bounds._free() == pytest.approx(everything, rel=0.5)


# --- The estimate


def test_a_thousand_rounds_are_not_measured_a_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    pruning = {"criterion": "magnitude", "scope": "layer", "rates": {"fc": 0.0025, "output": 0.0025}, "rounds": 200}
    measured: list[float] = []
    monkeypatch.setattr(Estimate, "_measure", lambda self, start, lanes: measured.append(start.mask.density) or 1.0)
    assert "201 items" in show("toy", experiment(lottery.experiment(pruning=pruning, arms={})))
    assert len(measured) == len(set(measured)) == 3  # from 1 down to 0.61, by factors of 0.8


def test_a_large_batch_is_not_tried_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Estimate, "_clock", lambda self, work: 1.0)
    monkeypatch.setattr(estimate, "LARGEST", 10)
    setup = check.without_data(check.settings("toy", experiment(lottery.experiment(arms={}))))
    assert setup
    assert Estimate(setup).seconds(setup.bound.lottery.dense, 1, 1) == pytest.approx(20 / 10 + (30 + 360) / 200 / 5)
