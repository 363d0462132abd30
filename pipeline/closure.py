"""Which files of the repository a script's result depends on, because DVC does not follow imports.

Imports inside functions are left out: what a module loads there (tracking, the executor) changes no output.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline import plugins


def closure(*scripts: Path) -> list[str]:
    """The scripts and all they import at module level, packages' __init__ included, as sorted POSIX paths."""
    found: set[Path] = set()
    waiting = list(scripts)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            packages = [parent / "__init__.py" for parent in path.parents if parent != Path()]
            waiting += [p for p in packages if p.is_file()]
            waiting += _imports(path)
    return sorted(path.as_posix() for path in found)


@cache
def _imports(path: Path) -> list[Path]:
    return list(_find_imports(path))


def _find_imports(path: Path) -> Iterator[Path]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.parents[node.level - 1].as_posix().replace("/", ".") if node.level else ""
            module = ".".join(filter(None, [package.strip("."), node.module]))
            # `from pipeline import masks` names a module, `from pipeline.masks import Mask` something inside one.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            # What is not a file of the repository comes from a package that requirements.txt pins.
            if file := plugins.module_file(name):
                yield file
