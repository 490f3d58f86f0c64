"""Pages as a browser and a fast machine would run them."""

import functools
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1.element_tree import Selectbox

from ui import compute

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Quick tests see every page once."""
    for item in items:
        if item.path.is_relative_to(HERE) and getattr(item, "originalname", "") != "test_page_finds_something":
            item.add_marker("slow")


@pytest.fixture(autouse=True, scope="session")
def scanned_once():
    """`AppTest` reads what every installed package says of itself, for each session anew: a quarter of a second."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(autouse=True)
def never_long(monkeypatch):
    """No sweep is so long on this machine that its page asks before it runs."""
    monkeypatch.setattr(compute, "ASK_SECONDS", float("inf"))


@pytest.fixture(autouse=True)
def typed_options(monkeypatch):
    """What AppTest leaves out of `st.selectbox`: a typed value that is not listed is sent back by its text."""
    listed = Selectbox.index.fget

    def index(box: Selectbox) -> int | None:
        if box.value is not None and box.options and (text := box.format_func(box.value)) not in box.options:
            box.options.append(text)
        return listed(box)

    monkeypatch.setattr(Selectbox, "index", property(index))
