"""A dotted path that leads nowhere: the real reason is told in one sentence, with the user's file and line."""

from pathlib import Path

import pytest

from pipeline.values import plugins
from pipeline.values.errors import UserError
from tests.named import refusal

# What a user's module may be, and what is said of it.
MODULES = {
    "unparsable": ("x = 1\ndef net(:\n", "SyntaxError: invalid syntax (unparsable.py, line 2)"),
    "indented": ("x = 1\n  y = 2\n", "IndentationError: unexpected indent (indented.py, line 2)"),
    "needing": ("\nimport torchh\n", "ModuleNotFoundError: No module named 'torchh' (needing.py, line 2)"),
    "half": ("from torch.nn import Nothing\n", "ImportError: cannot import name 'Nothing' from 'torch.nn'"),
    "leaving": ("import sys\n\nsys.exit(3)\n", "SystemExit: 3 (leaving.py, line 3)"),
    "keyless": ("x = {}\ny = x['width']\n", "KeyError: 'width' (keyless.py, line 2)"),
    "circular": ("from circular import net\n", "ImportError: cannot import name 'net' from partially initialized module"),
    "endless": ("\ndef f(): f()\nf()\n", "RecursionError: maximum recursion depth exceeded (endless.py, line 2)"),
    "nameless": ("def network(shape, outputs): pass\n", "AttributeError: module 'nameless' has no attribute 'net'"),
}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_fails_is_told_with_its_line(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, reason = MODULES[module]
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as error:
        plugins.bind("models", f"{module}:net", {})
    assert str(error.value).startswith(f"model '{module}:net' cannot be loaded: {reason}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("not_there_at_all:net", "cannot be loaded: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("os.path.join:net", "cannot be loaded: ModuleNotFoundError: No module named 'os.path.join'"),
        ("builtins:dict", "is a type without a signature; should be a function or a class"),
        ("builtins:print", "gives None, but should give a torch.nn.Module"),
        ("os:system", "missing a required argument: 'command'; its options are command; it may ask for shape, outputs"),
        ("sys:exit", "failed: SystemExit"),
    ],
)
def test_what_is_no_network_is_refused_by_show_and_by_a_stage(name: str, words: str, tmp_path: Path) -> None:
    message = refusal("models", name, tmp_path)
    assert f"model '{name}'" in message
    assert words in message
