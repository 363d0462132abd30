"""The versions of packages that the page names: those that constraints.txt pins, not those of the machine that writes it."""

from __future__ import annotations

from pipeline.settings import places

SHOWN = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "altair", "vl-convert-python", "dvc", "mlflow")


def versions() -> dict[str, str]:
    """By package; empty in a repository without constraints.txt."""
    if not places.CONSTRAINTS.is_file():
        return {}
    lines = places.CONSTRAINTS.read_text(encoding="utf-8", errors="replace").splitlines()
    pins = [line.split("#")[0].strip().partition("==") for line in lines]
    found = {name: version for name, equals, version in pins if equals}
    return {name: found[name] for name in SHOWN if name in found}
