"""A sweep that would take long says so and waits for the user; a short one does not."""

import pytest

from tests.pages.test_pages import sentences, visit
from ui import compute

SWEEPS = ["pages/intervene/patching.py", "pages/intervene/path_patching.py"]


@pytest.fixture
def slow(monkeypatch):
    """Any sweep counts as long, and none is known from before."""
    monkeypatch.setattr(compute, "ASK_SECONDS", 0.0)


def prompt(page: str) -> str:
    """One that no other test has swept, since known results need no asking."""
    return f"The capital of France is here, said {page.rsplit('/', 1)[1][:5]}"


@pytest.mark.parametrize("page", SWEEPS)
def test_a_long_sweep_waits_until_it_is_agreed_to(page, slow):
    text = prompt(page)
    app = visit(page, prompt=text, corrupted=text.replace("France", "Spain"))
    assert not app.exception and not app.error
    assert "takes about" in sentences(app) and "MB of memory" in sentences(app)
    assert not app.get("vega_lite_chart")
    (run,) = [button for button in app.button if button.label == "Run"]
    app = run.click().run()
    assert not app.exception and not app.error
    assert app.header and app.get("vega_lite_chart")
    assert "takes about" not in sentences(app)
    assert app.text_area(key="prompt").value == text


@pytest.mark.parametrize("page", SWEEPS)
def test_bad_input_is_told_before_any_forecast(page, slow):
    app = visit(page, prompt="")
    assert "The prompt is empty" in sentences(app) and "takes about" not in sentences(app)


def test_an_edit_tells_beforehand_what_it_takes_at_most(slow):
    text = "The capital of Spain is"
    app = visit("pages/intervene/edits.py", prompt=text, subject="Spain", new_answer="Oslo")
    assert not app.exception and not app.error
    assert "This edit takes at most about" in sentences(app) and not app.get("vega_lite_chart")
    (run,) = [button for button in app.button if button.label == "Run"]
    app = run.click().run()
    assert not app.exception and not app.error
    assert app.header and app.get("vega_lite_chart")
