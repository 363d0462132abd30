"""`make audit`: asks pip-audit whether a pinned package has a known vulnerability. Runs in .venv-audit, never in .venv.

pip-audit itself ends well when its service knows none of the packages, as behind a mirror of the package index. Here that is a
failure, because nothing was audited.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]


def main(files: Sequence[str]) -> int:
    """files: requirements whose packages are pinned. Returns: the exit code, 0 only if all were audited and none is known bad."""
    arguments = [f"--requirement={file}" for file in files]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        print(f"The audit was not done: {_reason(done.stderr)}", file=sys.stderr)
        return 2
    return report(packages)


def report(packages: Sequence[dict[str, Any]]) -> int:
    """Prints what pip-audit found. Returns: the exit code."""
    skipped = [package for package in packages if "skip_reason" in package]
    bad = [(package, vulnerability) for package in packages for vulnerability in package.get("vulns", [])]
    for package, vulnerability in bad:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    if skipped or not packages:
        example = f"; the first is {skipped[0]['name']}: {skipped[0]['skip_reason']}" if skipped else ""
        print(
            f"The audit is incomplete: the vulnerability service does not know {len(skipped)} of "
            f"{len(packages)} packages, or cannot be reached from here{example}",
            file=sys.stderr,
        )
        return 2
    if bad:
        count = len({package["name"] for package, _ in bad})
        print(f"Packages with known vulnerabilities: {count} of {len(packages)}", file=sys.stderr)
        return 1
    print(f"Packages with known vulnerabilities: none of {len(packages)}")
    return 0


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1][:300] if lines else "pip-audit gave no result"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
