"""Results of former code are not met again, and a help text that changes costs nobody a result."""

import ast
import shutil
from pathlib import Path

import pytest

from mi_core.jobs.code_version import CORE, code_version, hash_of, normal_form
from tests.test_architecture import WINGS

FILES = sorted(CORE.rglob("*.py"))
COMPUTING = [wing for wing in WINGS if wing not in ("jobs", "sharing", "commandline", "__main__")]


class Silent(ast.NodeTransformer):
    """Docstrings emptied."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value = ast.Constant("")
        return node


def computing(source: str) -> str:
    return ast.dump(Silent().visit(ast.parse(source)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CORE).as_posix())
def test_the_normal_form_computes_the_same(path):
    source = path.read_text(encoding="utf-8")
    short = normal_form(source)
    assert computing(short) == computing(source)
    assert short == normal_form(short)
    assert len(short) < len(source)


SAMPLE = '''"""What it does."""
TEXT = """# no comment,
"""
URL = "https://x.org/#part"  # where


class Kind:
    """A kind."""

    size: int
    """How large."""

    def grow(self):  # by one
        "Grow."
        return {
            "a":
            "value",
        }["a"] + \\
            "end"
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("What it does.", "What it is for."),
        ("A kind.", "Sorts # of\n\n    things."),
        ("How large.", "How (large."),
        ('"Grow."', '"""Grow."""'),
        ("  # where", ""),
        ("# by one", "# by two, isn't it?"),
        ("\n\n\nclass", "\n\nclass"),
        ("    size: int\n", "    # between\n    size: int\n"),
    ],
)
def test_words_about_code_do_not_count(before, after):
    assert before in SAMPLE
    assert normal_form(SAMPLE.replace(before, after)) == normal_form(SAMPLE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# no comment", "# a comment"),
        ("#part", "#other"),
        ('"value"', '"other"'),
        ('"end"', '"and"'),
        ('["a"] +', '["b"] +'),
        ("size: int", "size: float"),
        ("return", "yield"),
        ("        return", "    return"),
    ],
)
def test_code_does(before, after):
    assert before in SAMPLE
    assert normal_form(SAMPLE.replace(before, after)) != normal_form(SAMPLE)


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    core = tmp_path_factory.mktemp("copy") / "mi_core"
    shutil.copytree(CORE, core, ignore=shutil.ignore_patterns("__pycache__"))
    assert hash_of(core) == code_version()
    return core


def changed(path: Path, text: str) -> str:
    """The hash with this text in place of the file's own, which comes back."""
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        return hash_of(next(parent for parent in path.parents if parent.name == "mi_core"))
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("wing", COMPUTING)
def test_every_wing_that_computes_counts(copied, wing):
    path = copied / f"{wing}.py"
    path = path if path.is_file() else sorted((copied / wing).glob("[a-z]*.py"))[0]
    source = path.read_text(encoding="utf-8")
    assert changed(path, source.replace('"""', '"""Altogether ', 1) + "# and a comment\n") == code_version()
    assert changed(path, source + "\nMORE = 1\n") != code_version()


@pytest.mark.parametrize(
    "name", ["jobs/engine.py", "jobs/store.py", "sharing/export.py", "commandline.py", "__init__.py"]
)
def test_what_only_asks_and_keeps_does_not(copied, name):
    path = copied / name
    assert changed(path, path.read_text(encoding="utf-8") + "\nMORE = 1\n") == code_version()


@pytest.mark.parametrize("name", ["jobs/worker.py", "models/catalogue.toml"])
def test_nor_are_the_worker_and_data_forgotten(copied, name):
    path = copied / name
    assert changed(path, path.read_text(encoding="utf-8") + "\nMORE = 1\n") != code_version()


def test_a_moved_or_new_file_counts(copied):
    new = copied / "metrics" / "new.py"
    new.write_text("", encoding="utf-8")
    one = hash_of(copied)
    new.rename(copied / "metrics" / "newer.py")
    assert len({one, hash_of(copied), code_version()}) == 3
    (copied / "metrics" / "newer.py").unlink()
