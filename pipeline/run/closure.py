"""Which files of the repository a script's result depends on, because DVC does not follow imports.

Imports inside functions are left out: what a module loads there (tracking, the executor) changes no output.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.values import plugins


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
    return sorted(path.as_posix() for path in found if not _only_says_what_it_is(path))


def dependencies(*scripts: Path) -> list[str]:
    """The closure as DVC watches it: a folder that is in it as a whole stands for its files, because every dependency
    costs time in every stage and every command. Plug-ins stay files: a new one is nothing to those that are there.
    """
    files = closure(*scripts)
    whole = {
        folder for folder in {Path(file).parent for file in files} if folder.name not in plugins.KINDS and _whole(folder, files)
    }
    return sorted({(folder if (folder := Path(file).parent) in whole else Path(file)).as_posix() for file in files})


def _whole(folder: Path, files: list[str]) -> bool:
    return all(path.as_posix() in files or _only_says_what_it_is(path) for path in folder.glob("*.py"))


@cache
def _only_says_what_it_is(path: Path) -> bool:
    """A docstring and no code, as most packages' __init__: no result depends on it."""
    return not [node for node in ast.parse(path.read_text(encoding="utf-8")).body if not isinstance(node, ast.Expr)]


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
            # `from pipeline import masks` names a module, `from pipeline.domain.masks import Mask` something inside one.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            # What is not a file of the repository comes from a package that requirements.txt pins.
            if file := plugins.module_file(name):
                yield file
