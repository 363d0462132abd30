"""The connection to a Ray cluster: its address, its share of GPUs, and the code that travels to its nodes."""

import logging
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.executors import scratch
from pipeline.values import paths
from pipeline.values.errors import UserError

GPUS = "LOTTERY_RAY_GPUS_PER_TASK"
ANSWERS = 10.0  # seconds in which something has to answer at the address
LEFT_OUT = {"__pycache__", paths.WORK.name}


@contextmanager
def connected(processes: int) -> Iterator[None]:
    """Connects to the cluster at RAY_ADDRESS, or starts one on this machine for so many processes, which ends with the block.

    Raises: UserError when Ray is not installed, or there is no such cluster, or it has another version of Ray or Python.
    """
    address = os.environ.get("RAY_ADDRESS") or "local"
    _require_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":  # its own secret, so that Ray writes none into the home folder
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError:
        raise UserError("LOTTERY_EXECUTOR is ray, but Ray is not installed; `make ray` installs it") from None
    folder, handler = scratch.make(), signal.getsignal(signal.SIGTERM)
    try:
        _pack(Path.cwd(), folder / "code")
        options: dict[str, Any] = {"logging_level": logging.ERROR, "runtime_env": {"working_dir": str(folder / "code")}}
        if address == "local":
            options |= {"num_cpus": processes, "include_dashboard": False, "_temp_dir": str(folder)}
        try:
            ray.init(address=address, **options)
        except Exception as error:  # Ray raises errors of many kinds
            where = "on this machine cannot be started" if address == "local" else f"at {address} cannot be used"
            raise UserError(f"the Ray cluster {where}: {' '.join(str(error).split())}") from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # ray.init sets one that ends the process without a checkpoint
        yield
    finally:
        ray.shutdown()
        scratch.remove(folder)


def gpus_per_task() -> float:
    """The share of a GPU that a group of lanes takes. Raises: UserError when it is not between 0 and 1."""
    given = os.environ.get(GPUS, "1")
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        should = "the share of a GPU that a group of lanes takes, from 0 (CPUs only) to 1"
        raise UserError(f"{GPUS} is {given!r}, but should be {should}")
    return share


def _require_answer(address: str) -> None:
    """Ray itself would try for a minute or more. Raises: UserError when nothing answers at host:port."""
    if "://" in address:
        why = "the stage has to run on a node of the cluster, where it writes the files of the results"
        raise UserError(f"RAY_ADDRESS is {address}, but should be host:port, because {why}")
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS).close()
    except (OSError, ValueError, OverflowError) as error:
        should = "should be the address of a running Ray cluster"
        raise UserError(f"RAY_ADDRESS is {address}, where nothing answers ({error}), but {should}") from None


def _pack(root: Path, folder: Path) -> None:
    """Copies the code of the repository, plug-ins of the user's included, but no data or results."""
    for path in _code(root, set()):
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _code(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """All Python files below a folder, except those in hidden folders and in virtual environments."""
    if folder.resolve() in seen or (folder / "pyvenv.cfg").exists():
        return
    seen.add(folder.resolve())  # a link may lead back
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in LEFT_OUT:
            continue
        if path.is_dir():
            yield from _code(path, seen)
        elif path.suffix == ".py":
            yield path
