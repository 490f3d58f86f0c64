"""The house stays as it is drawn: imports run one way, one concept has one name, and files stay small."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# layer: what it may import of the project's own packages
MAY_IMPORT = {
    "mi_core": {"mi_core"},
    "charts": {"charts", "mi_core.errors", "mi_core.models.tokens", "mi_core.disk"},
    "ui": {"ui", "charts", "mi_core"},
    "pages": {"ui", "charts", "mi_core"},
    "training": {"training", "mi_core"},
    "benchmarks": {"benchmarks", "charts", "mi_core"},
}
# The wings of mi_core, from the ground up: each may import itself and those before it, and nothing after it.
WINGS = (
    "errors", "disk", "result", "lru", "models", "phrases", "text", "labs", "metrics", "lenses", "interventions",
    "saes", "attribution", "heads", "probing", "directions", "ablation", "firing", "editing", "patching", "circuits",
    "graphs", "placebo", "saliency", "analyses", "jobs", "sharing", "commandline", "__main__",
)  # fmt: skip
NEVER = {
    "mi_core": {"streamlit", "altair"},
    "charts": {"streamlit", "torch", "transformer_lens", "sae_lens"},
    "ui": {"torch", "transformer_lens", "sae_lens"},
    "pages": {"torch", "transformer_lens", "sae_lens", "numpy"},
}
# The command line draws with the charts package when a picture is asked for, inside the one function that does so.
EXCEPTIONS = {("mi_core/sharing/output.py", "charts.export")}

# Analyses whose result is no chart: a time, texts, lists of tokens.
WITHOUT_FIGURE = {"ablated_text", "alignment", "cost", "push_that_shows", "tokens"}


def files(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_run_one_way(layer):
    assert files(layer), f"no files in {layer}"
    own = {name.split(".")[0] for name in MAY_IMPORT}
    for path in files(layer):
        name = path.relative_to(ROOT).as_posix()
        for module in imports(path):
            if module.split(".")[0] not in own or any(
                name == file and module.startswith(allowed) for file, allowed in EXCEPTIONS
            ):
                continue
            allowed = any(module == door or module.startswith(door + ".") for door in MAY_IMPORT[layer])
            below = any(door.startswith(module + ".") for door in MAY_IMPORT[layer])
            assert allowed or below, f"{name} imports {module}"


def test_wings_of_the_core_import_only_what_stands_below_them():
    for path in files("mi_core"):
        wing = path.relative_to(ROOT / "mi_core").parts[0].removesuffix(".py")
        for module in imports(path):
            other = [*module.split("."), ""][1]
            if module.startswith("mi_core.") and wing != "__init__" and other in WINGS:
                assert WINGS.index(other) <= WINGS.index(wing), f"{path.relative_to(ROOT)} imports {module}"
    found = {path.stem for path in (ROOT / "mi_core").iterdir() if path.suffix in ("", ".py")}
    assert found - {"__pycache__", "__init__"} == set(WINGS), "a wing that is not in the order, or the other way round"


@pytest.mark.parametrize("layer", NEVER)
def test_each_layer_leaves_alone_what_is_not_its_business(layer):
    for path in files(layer):
        tops = {module.split(".")[0] for module in imports(path)}
        assert not tops & NEVER[layer], f"{path.relative_to(ROOT)} imports {tops & NEVER[layer]}"


def test_app_is_a_frame():
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= 80


def test_pages_are_short_and_each_is_in_the_frame():
    app = (ROOT / "app.py").read_text(encoding="utf-8")
    for path in files("pages"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, path
        assert path.relative_to(ROOT).as_posix() in app, f"{path} is not in app.py"
    for name in re.findall(r'"(pages/[^"]+\.py)"', app):
        assert (ROOT / name).is_file(), name


def test_every_analysis_has_a_function_and_a_result_of_its_name_and_a_test():
    for path in (ROOT / "mi_core" / "analyses" / f"{name}.py" for name in sorted(analyses())):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        assert path.stem in functions, path
        kind = ast.unparse(functions[path.stem].returns)
        assert kind in classes, f"{path.stem} returns {kind}, which its file does not define"
        result = getattr(importlib.import_module(f"mi_core.analyses.{path.stem}"), kind)
        assert {"tables", "reading"} <= set(dir(result)), kind
        assert (ROOT / "tests" / "core" / f"test_{path.stem}.py").is_file(), (
            f"tests/core/test_{path.stem}.py is missing"
        )


def test_every_analysis_that_a_page_names_exists():
    for path in files("pages") + files("ui"):
        for asked in re.findall(r'compute\(\s*"(\w+)"', path.read_text(encoding="utf-8")):
            assert asked in analyses(), f"{path.relative_to(ROOT)} asks for {asked}"


def analyses() -> set[str]:
    return {path.stem for path in (ROOT / "mi_core" / "analyses").glob("*.py") if not path.stem.startswith("_")}


def test_every_analysis_is_shown_somewhere():
    shown = set()
    for path in files("pages") + files("ui"):
        shown |= set(re.findall(r'(?:compute|Request\.of)\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    missing = sorted(analyses() - shown)
    assert not missing, f"no page asks for {missing}: write pages/<section>/<analysis>.py (docs/add-an-analysis.md)"


def test_every_analysis_has_a_figure_or_says_that_it_has_none():
    from charts.export import FIGURES

    missing = sorted(analyses() - set(FIGURES) - WITHOUT_FIGURE)
    assert not missing, f"no figure for {missing}: write one in charts/figures/, or name it in WITHOUT_FIGURE here"
    assert not WITHOUT_FIGURE & set(FIGURES), "these have a figure: take them out of WITHOUT_FIGURE"
    assert set(FIGURES) | WITHOUT_FIGURE <= analyses(), "a figure of an analysis that is no more"


def test_every_page_has_its_row_in_the_readme_and_in_the_browser_tests():
    from tests.browser.screen import PAGES

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    app = (ROOT / "app.py").read_text(encoding="utf-8")
    pages = dict(re.findall(r'_page\(\s*"([^"]+)",\s*"([^"]+)"', app))
    assert pages
    for path, title in pages.items():
        heading = re.search(r'header\(\s*"([^"]+)"', (ROOT / path).read_text(encoding="utf-8"))
        assert heading, f"{path} does not begin with header(title, question)"
        assert f"\n| {title} |" in readme, f"README.md, “What each page shows”: no row of {title}"
        row = (title, "" if path == "pages/start/start.py" else Path(path).stem, heading[1])
        assert row in PAGES, f"tests/browser/screen.py, PAGES: add {row}"
    gone = [link for link, *_ in PAGES if link not in pages.values()]
    assert not gone, f"tests/browser/screen.py, PAGES: app.py has no page {gone}"


def test_no_pickle_and_no_remote_code():
    for layer in MAY_IMPORT.keys() - {"benchmarks"}:  # which measures what pickling would cost
        for path in files(layer):
            text = path.read_text(encoding="utf-8")
            assert "pickle" not in {module.split(".")[0] for module in imports(path)}, path
            assert not re.search(r"trust_remote_code\s*=\s*True|allow_pickle\s*=\s*True", text), path
            assert not re.search(r"\bTODO\b|\bFIXME\b|NotImplementedError", text), path


def test_every_public_function_of_the_core_says_what_it_does():
    for path in files("mi_core"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.relative_to(ROOT)}: {node.name}"
