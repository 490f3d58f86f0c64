"""The notebooks of the documentation run from the first cell to the last, and show results as they should be shown."""

import base64
import html
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import mi_core
from mi_core.sharing import notebook
from tests.patience import SECONDS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def executed(book):
    """Run in a kernel of its own, which finds the project as one does who has installed it."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return NotebookClient(book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": ROOT}}).execute(
        env=env
    )


def shown(cell) -> dict:
    """Everything that a cell displays, by kind."""
    return {kind: text for output in cell.outputs for kind, text in output.get("data", {}).items()}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_finds(path):
    book = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in book.cells), "strip outputs"
    cells = [cell for cell in executed(book).cells if cell.cell_type == "code"]
    results = [shown(cell) for cell in cells if re.fullmatch(r"\w+", cell.source.splitlines()[-1])]
    if path.stem != "batch-to-figure":
        assert sum(notebook.VEGA_LITE in result for result in results) >= 2
    for result in results:
        if notebook.VEGA_LITE in result:
            assert result["text/html"].startswith("<h4>") and "self-checks hold" in result["text/html"]
            assert base64.b64decode(result["image/png"]).startswith(b"\x89PNG")
            assert result[notebook.VEGA_LITE]["layer"]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["batch-to-figure", "first-look", "prove-it"]


def test_text_of_prompts_is_shown_as_text():
    prompt = "<script>alert(1)</script> </details> <b>is"
    result = mi_core.run("predict", "loupe-mini", prompt=prompt)
    page = notebook.as_html(result)
    assert "<script" not in page and page.count("</details>") == page.count("<details")
    tags = set(re.findall(r"</?(\w+)", page))
    assert tags <= {"h4", "p", "details", "summary", "div", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert html.escape(result.reading().title) in page
    top = result.tables()["predictions"]
    assert all(f"<td>{rank}</td>" in page for rank in top["rank"])
    assert all(html.escape(check.name) in page for check in result.checks)


def test_what_has_no_chart_is_shown_without_one():
    result = mi_core.run("tokens", "loupe-mini", prompt="Hello")
    assert notebook.chart(result) is None and notebook.as_html(result).startswith("<h4>")


def test_every_result_is_known_to_the_shell_by_its_class():
    class Formatter(dict):
        def for_type_by_name(self, module, name, show):
            self[module, name] = show

    class Shell:
        display_formatter = type("", (), {"ipython_display_formatter": Formatter()})

    mi_core.load_ipython_extension(Shell)
    known = Shell.display_formatter.ipython_display_formatter
    for analysis, settings in {"predict": {"prompt": "The"}, "tokens": {"prompt": "The"}}.items():
        kind = type(mi_core.run(analysis, "loupe-mini", **settings))
        assert known[kind.__module__, kind.__name__] is notebook.show
