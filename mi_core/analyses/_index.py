"""Which analyses there are, and what each can be asked."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mi_core.errors import InputError
from mi_core.text.corpus import FILE

_added: dict[str, Callable] = {}


def find_analysis(name: str) -> Callable:
    """The function of that name; importing it may import torch."""
    _check_exists(name)
    return _added.get(name) or getattr(importlib.import_module(f"mi_core.analyses.{name}"), name)


def analysis_names() -> tuple[str, ...]:
    """Every analysis there is: one file each in `mi_core/analyses`."""
    return tuple(sorted({*_files(), *_added}))


@contextlib.contextmanager
def added(*functions: Callable) -> Iterator[None]:
    """These functions are analyses too, by their names, until it ends: for tests."""
    names = {function.__name__: function for function in functions}
    _added.update(names)
    try:
        yield
    finally:
        for name in names:
            _added.pop(name, None)


def question(analysis: str) -> str:
    """What an analysis asks: the first line of its file, read without importing it."""
    if analysis in _added:
        return (inspect.getdoc(_added[analysis]) or "").partition("\n")[0]
    return _read(analysis)[0]


def parameters(analysis: str) -> tuple[str, ...]:
    """Names of all that an analysis is given, the model among them if it needs one; read without importing it."""
    _check_exists(analysis)
    return tuple(inspect.signature(_added[analysis]).parameters) if analysis in _added else _read(analysis)[1]


def result_names() -> dict[str, str]:
    """{analysis: name of the class that its file defines and its function returns}; read without importing any."""
    return {name: _read(name)[2] for name in sorted(_files())}


def is_imported(analysis: str) -> bool:
    """Whether asking for its function costs nothing."""
    return analysis in _added or f"mi_core.analyses.{analysis}" in sys.modules


def check_model(analysis: str, model: str, edits: str = "") -> None:
    """See that a model is named where one is needed, and only there.

    Raises:
        InputError: It is not so, or there is no such analysis.
    """
    name = analysis.replace("_", "-")
    if "model" in parameters(analysis):
        if not model:
            raise InputError(f"{name} needs a model: name one, such as loupe-mini.", "model")
    elif model:
        raise InputError(f"{name} looks at no model: leave the model out.", "model")
    elif edits:
        raise InputError(f"{name} looks at no model, so there is nothing to edit: leave the edits out.", "edits")


@functools.cache
def settings_of(analysis: Callable) -> dict[str, inspect.Parameter]:
    """The parameters a user sets: all but the model and the progress callback, which the engine passes."""
    parameters = inspect.signature(analysis, eval_str=True).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in ("model", "progress")}


def described(analysis: Callable) -> dict[str, str]:
    """What each setting is, from the Args of the analysis' docstring; plain text."""
    docstring = inspect.getdoc(analysis) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring, re.DOTALL | re.MULTILINE)
    entries = (
        re.findall(r"^(\w+): (.*?)(?=^\w+: |\Z)", textwrap.dedent(section.group(1)), re.DOTALL | re.MULTILINE)
        if section
        else []
    )
    return {name: " ".join(text.replace("`", "").split()) for name, text in entries}


def files_among(analysis: str) -> tuple[str, ...]:
    """The settings of an analysis that are paths of files: what these hold is asked about, not their names."""
    settings = settings_of(find_analysis(analysis)).items()
    return tuple(name for name, setting in settings if FILE in getattr(setting.annotation, "__metadata__", ()))


def bound(analysis: str, given: dict[str, Any]) -> dict[str, Any]:
    """All settings of an analysis, defaults filled in.

    Raises:
        InputError: The analysis does not exist, or a setting is unknown to it or missing.
    """
    known = settings_of(find_analysis(analysis))
    for name in given:
        if name not in known:
            raise InputError(f"{analysis} has no setting “{name}”: it takes {', '.join(known)}.", name)
    settings = {name: parameter.default for name, parameter in known.items()} | given
    for name, value in settings.items():
        if value is inspect.Parameter.empty:
            raise InputError(f"{analysis} needs a {name}.", name)
    return settings


@functools.cache
def _files() -> dict[str, Path]:
    folder = Path(__file__).parent
    return {path.stem: path for path in folder.glob("*.py") if not path.stem.startswith("_")}


@functools.cache
def _read(analysis: str) -> tuple[str, tuple[str, ...], str]:
    """(question, names of parameters, name of the result's class) as the file has them."""
    tree = ast.parse(_files()[analysis].read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == analysis)
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    asked = (ast.get_docstring(tree) or "").partition("\n")[0]
    returns = ast.unparse(function.returns) if function.returns is not None else ""
    return asked, tuple(argument.arg for argument in arguments), returns


def _check_exists(analysis: str) -> None:
    if analysis not in _files() and analysis not in _added:
        names = ", ".join(analysis_names())
        raise InputError(f"There is no analysis “{analysis}”: choose one of {names}.", "analysis")
