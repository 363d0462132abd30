"""`python -m pipeline.tracking sync [<experiment>[/<item>]]` fills MLflow from the files; `... ui` opens it."""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from pipeline.tracking import artifacts, browser, connection, mirror, view
from pipeline.tracking.record import find
from pipeline.values import paths
from pipeline.values.errors import UserError


def sync(target: str | None) -> None:
    """Logs the lanes of an experiment, of one of its items, or all lanes. Raises: UserError when there are no such lanes."""
    experiment, _, item = (target or "").strip("/").partition("/")
    with connection.explained(), ExitStack() as stack:
        if not stack.enter_context(connection.locked(connection.lock_path(), wait=False)):
            _say("this sync waits for another one to end")
            stack.enter_context(connection.locked(connection.lock_path()))
        # Now: a lane may have been trained again while this process waited.
        records, incomplete = find(experiment or None, item or None)
        if not records and not incomplete:
            print(f"{paths.WORK}/ has no results yet; `dvc repro` makes them")
            return
        # The run of an arm is about the lanes of all rounds.
        whole = find(experiment, is_told=False)[0] if item else records
        done = 0

        def progress(name: str) -> None:
            nonlocal done
            done += 1
            _say(f"MLflow is given lane {done}, {name}")

        filled = mirror.fill(whole, progress, item)
        # Only a sync of everything knows all files that the artifacts of a deleted database may be copies of.
        files = (file for record in records for file in record.files.values())
        orphans, size = artifacts.sweep(files) if not experiment else (0, 0)
    _say("")
    incomplete += filled.left_out
    left_out = f"; the files of {incomplete} more are not complete" if incomplete else ""
    mended = f"; MLflow had lost the files of {filled.mended} and has them again" if filled.mended else ""
    print(f"MLflow has {_lanes(len(records) - filled.left_out)}, {filled.new} of them new{mended}{left_out}")
    if orphans:
        print(
            f"{connection.ARTIFACTS}/ has files of {orphans} runs that {connection.DATABASE} does not know "
            f"({size / 1e6:.0f} MB), with weights that are nowhere else; delete their folders if they are not needed"
        )


def sync_in_background(experiment: str) -> None:
    """Syncs a whole experiment, unless another process waits to do so and has not begun to read.

    Thus quick stages leave at most two processes, one at work and one that waits, and no stage is forgotten.
    """
    os.nice(19)
    with connection.explained(), ExitStack() as stack:
        with connection.locked(paths.lock(f"tracking.{experiment}"), wait=False) as first:
            if not first:
                return
            stack.enter_context(connection.locked(connection.lock_path()))
        records, _ = find(experiment)
        filled = mirror.fill(records, lambda name: None)
    print(f"MLflow has {_lanes(len(records) - filled.left_out)} of {experiment}, {filled.new} of them new", flush=True)


def ui(port: int) -> None:
    """Syncs, then becomes MLflow's server, and opens its page of an experiment. Raises: UserError when the port is taken."""
    if connection.is_server():
        print(f"MLflow is at {connection.address()}")
        _show(connection.address())
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(
                f"port {port} is taken, perhaps by an MLflow that is already open; `--port` chooses another one"
            ) from None
    address = f"http://127.0.0.1:{port}"
    try:
        sync(None)
        _show(address)
    except UserError as error:
        print(error, file=sys.stderr)
    print(f"MLflow is at {address} (Ctrl-C ends it)", flush=True)
    connection.prepare_environment()
    # One worker and no job runner are enough: one person looks, on the machine that trains.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.environ["MLFLOW_BACKEND_STORE_URI"] = connection.uri()  # everybody can read a command line, and a password may be in it
    os.execv(sys.executable, [*command, "--default-artifact-root", connection.artifacts()])


def _show(server: str) -> None:
    """Prints the addresses of all experiments' charts, and opens the first one where there is a browser and a person."""
    try:
        with connection.explained(), connection.locked(connection.lock_path()):
            found = view.addresses(connection.connect(), server)
    except UserError:  # the server may be there for the browser and not for us
        return
    for name, address in found.items():
        print(f"  {name:<20} {address}", flush=True)
    if found and sys.stdout.isatty() and {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        browser.open_later(next(iter(found.values())))


def main(arguments: list[str] | None = None) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with _heeding_signals():
            given = _parser().parse_args(arguments)
            if given.command == "ui":
                ui(given.port)
            elif given.background:
                sync_in_background(given.target)
            else:
                sync(given.target)
    except UserError as error:
        _say("")
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nthe sync was stopped; the next one goes on from here", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _heeding_signals() -> Iterator[None]:
    """Raises again what a signal raised while Python was removing an object, where it is only printed and the signal is lost."""
    before, on_alarm = sys.unraisablehook, signal.getsignal(signal.SIGALRM)

    def raised(found: "sys.UnraisableHookArgs") -> None:
        error = found.exc_value
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            before(found)
            return

        def again(number: int, frame: FrameType | None) -> None:
            raise error

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # when this function has ended

    sys.unraisablehook = raised
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, on_alarm)
        sys.unraisablehook = before


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.tracking", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    syncing = commands.add_parser("sync", help="logs to MLflow what work/ and reports/ hold and MLflow lacks")
    syncing.add_argument("target", nargs="?", metavar="<experiment>[/<item>]", help="such as lenet or lenet/r07; without it, all")
    syncing.add_argument(
        "--background", action="store_true", help="runs as a stage starts it: at low priority, and once for many stages"
    )
    viewing = commands.add_parser("ui", help="syncs, then serves MLflow's pages to a browser on this machine")
    viewing.add_argument("--port", type=int, default=5000)
    return parser


def _stop(number: int, frame: FrameType | None) -> None:
    """Raises SystemExit, so that the open run is closed; further signals are ignored, so that they cannot prevent that."""
    for again in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(again, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _lanes(count: int) -> str:
    return "1 lane" if count == 1 else f"{count} lanes"


def _say(text: str) -> None:
    """Shows a line to a person who waits; the next line overwrites it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
