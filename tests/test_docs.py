"""The worked example of the documentation is code that runs and holds."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import mi_core

GUIDE = Path(__file__).parents[1] / "docs" / "add-an-analysis.md"
ANALYSIS, TEST = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[:2]
NAME = "mi_core.analyses.residual_norm"


@pytest.fixture
def example(monkeypatch) -> dict:
    """What the guide's test file defines, with the guide's analysis in its place."""
    module = ModuleType(NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    exec(compile(ANALYSIS, f"{GUIDE}: analysis", "exec"), vars(module))
    names: dict = {}
    exec(compile(TEST, f"{GUIDE}: test", "exec"), names)
    return names


def test_the_example_equals_plain_transformers(example, architecture, tiny_model, hf_model):
    example["test_lengths_are_those_of_plain_transformers"](architecture, tiny_model, hf_model)


def test_the_example_reads_well_and_refuses_what_it_cannot_use(example, mini):
    example["test_a_position_that_does_not_exist_gets_a_sentence"](mini)
    result = example["residual_norm"](mini, "The capital of Texas is")
    assert re.fullmatch(
        r"At “·is” \(position 5\) the stream ends \d+\.\d times as long as it began", result.reading().title
    )
    assert list(result.tables()["norms"]) == ["layer", "pos", "token", "norm"]


def test_the_project_has_one_version_and_is_never_published():
    root = GUIDE.parents[1]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"] and "Private :: Do Not Upload" in project["classifiers"]
    assert project["name"] != "loupe", "a name that others hold"
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == mi_core.__version__
