"""`python -m pipeline.tracking.browser ADDRESS` opens a page as soon as its server answers."""

import subprocess
import sys
import time
import urllib.request
import webbrowser
from contextlib import suppress

PATIENCE = 60.0  # seconds


def open_later(address: str) -> None:
    """In a process of its own, because this one becomes the server."""
    process = subprocess.Popen([sys.executable, "-m", __name__, address], stdin=subprocess.DEVNULL, start_new_session=True)
    process.returncode = 0  # Popen would warn of a process that outlives this one


def main(address: str) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(address.partition("#")[0], timeout=5):
            return 0 if webbrowser.open(address) else 1
        time.sleep(0.5)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
