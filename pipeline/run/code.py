"""The source files that a result depends on; they are found here because DVC does not follow imports.

In this repository's own files, imports inside functions are ignored: what a module loads there (tracking, executors, checks)
changes no output. In a user's own code, wherever it lies, all imports are followed, into everything that is neither part of
Python nor an installed package; the package that a plug-in belongs to is followed even when it is installed.
"""

import ast
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pipeline.values import plugins
from pipeline.values.errors import UserError
from pipeline.values.plugins import Source

OURS = ("pipeline", "stages")


def closure(scripts: Iterable[Path], used: Iterable[Source] = ()) -> list[str]:
    """The scripts, the plug-ins and all that they import, as sorted POSIX paths, which are relative to the root or, where
    a file lies outside it, absolute.
    """
    found: dict[Path, None] = {}
    waiting = [(path, _package_of(path)) for path in scripts]
    for kind, name in used:
        module, _ = plugins.find(kind, name)
        waiting += [(path, module.split(".")[0]) for path in module_files(module, module.split(".")[0])]
    while waiting:
        path, package = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += [(imported, package) for imported in _imports(path, package)]
    return sorted(path.as_posix() for path in found if not _only_says_what_it_is(path))


def dependencies(scripts: Iterable[Path], used: Iterable[Source] = ()) -> list[str]:
    """The closure as DVC watches it. A folder of this repository that is in it as a whole replaces its files, because every
    dependency costs time in every stage and every command. Plug-ins stay files, as a new one does not concern the others.
    """
    files = closure(scripts, used)
    folders = {Path(file).parent for file in files if Path(file).parts[0] == OURS[0]}
    rooms = {folder for folder in folders if folder.name not in plugins.KINDS}
    whole = {room for room in rooms if _whole(room, files)}
    return sorted({(room if (room := Path(file).parent) in whole else Path(file)).as_posix() for file in files})


def module_files(name: str, package: str) -> list[Path]:
    """The files that importing a module runs, including the __init__ of packages, relative to the root. Files of Python itself
    and of installed packages other than `package` are left out.
    """
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names:
        return []
    found = (_file(".".join(parts[: i + 1])) for i in range(len(parts)))
    files = [path for path in found if path is not None]
    return [_as_watched(path) for path in files if parts[0] == package or not _installed(path)]


def _file(name: str) -> Path | None:
    """The source file of a module, found without importing anything; None for what is not a module but something inside one."""
    return _find_file(name, Path.cwd())


@cache
def _find_file(name: str, root: Path) -> Path | None:
    top, *inner = name.split(".")
    folders, file = _top(top, root)
    for part in inner:
        places = [Path(folder, part) for folder in folders]
        inits = [place / "__init__.py" for place in places if (place / "__init__.py").is_file()]
        modules = [place.with_suffix(".py") for place in places if place.with_suffix(".py").is_file()]
        file = next(iter([*inits, *modules]), None)
        folders = [inits[0].parent] if inits else [] if file else [place for place in places if place.is_dir()]
        if not folders and file is None:
            return None
    return file


def _top(name: str, root: Path) -> tuple[list[Path], Path | None]:
    """The folders of a package, and the file that importing it runs. The root comes first, as it does for the stages."""
    here = root / name
    if here.is_dir() or here.with_suffix(".py").is_file():
        init = here / "__init__.py" if here.is_dir() else here.with_suffix(".py")
        return ([here] if here.is_dir() else []), init if init.is_file() else None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return [], None
    if spec is None:
        return [], None
    origin = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    return [Path(folder) for folder in spec.submodule_search_locations or []], origin


def _as_watched(path: Path) -> Path:
    """The path relative to the root, or absolute for what lies outside it or in its virtual environment: `dvc exp run --temp`
    runs in a copy of the repository, from where relative paths would lead elsewhere.
    """
    root = Path.cwd()
    return path.relative_to(root) if path.is_relative_to(root) and not _installed(path) else path


@cache
def _installed(path: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    places |= {*site.getsitepackages(), site.getusersitepackages()}
    return any(path.resolve().is_relative_to(Path(place).resolve()) for place in places)


def _package_of(path: Path) -> str:
    return path.parts[0]


def _whole(folder: Path, files: list[str]) -> bool:
    return all(path.as_posix() in files or _only_says_what_it_is(path) for path in folder.glob("*.py"))


def _only_says_what_it_is(path: Path) -> bool:
    """Whether a file has a docstring and no code, as most __init__ files do: no result depends on it."""
    return not [node for node in _parsed(path).body if not isinstance(node, ast.Expr)]


def _parsed(path: Path) -> ast.Module:
    """Raises: UserError when a file is not Python."""
    try:
        return _parse(path.read_bytes())  # a file may name its encoding
    except (SyntaxError, ValueError) as error:  # ValueError: what is no text
        raise UserError(f"{path} is not valid Python: {error}") from None


@cache
def _parse(source: bytes) -> ast.Module:
    return ast.parse(source)


def _imports(path: Path, package: str) -> tuple[Path, ...]:
    return _find_imports(path, package, Path.cwd(), _parsed(path))


@cache  # every stage of a DVC file asks for the same files again
def _find_imports(path: Path, package: str, root: Path, tree: ast.Module) -> tuple[Path, ...]:
    ours = path.parts[0] in OURS
    packages = [parent / "__init__.py" for parent in path.parents if ours and parent != Path()]
    found = (file for name in _imported(path, tree.body if ours else ast.walk(tree)) for file in module_files(name, package))
    return (*(file for file in packages if file.is_file()), *found)


def _imported(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names of modules, and of what may be one."""
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(path, node)
            # `from pipeline import masks` names a module, `from pipeline.domain.masks import Mask` something inside one.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.strip("."))


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    """The module that an import names, possibly relative to the package that the file is in."""
    if not node.level:
        return node.module or ""
    folder = path.resolve().parents[node.level - 1]
    parts: list[str] = []
    while not parts or (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(filter(None, [*parts, node.module]))
