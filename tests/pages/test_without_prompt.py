"""Pages whose analysis reads no prompt, or no model: they find something whatever the sidebar holds."""

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.analyses import _index
from tests.core.engine.sums import depth, running_sums
from tests.pages import test_pages


@pytest.fixture(autouse=True)
def both():
    with _index.added(depth, running_sums):
        yield


def without_model() -> None:
    from ui import frame, show
    from ui.compute import compute
    from ui.prompt import header

    frame.draw("")
    header("Sums", "What do the first whole numbers sum to?")
    answer = compute("running_sums", n=4)
    show.finding(answer)
    show.footer(answer, key="sums", how="Each row adds one number.", table="sums")


def without_prompt() -> None:
    from ui import frame, inputs, show
    from ui.compute import compute
    from ui.prompt import header

    frame.draw("")
    header("Depth", "How deep is the model?")
    answer = compute("depth", inputs.current().model)
    show.finding(answer)
    show.footer(answer, key="depth", how="Every row is the number of layers.", table="sums")


EDIT = '[{"kind":"rome","prompt":"The capital of Texas is","subject":"Texas","target":"Boston"}]'


@pytest.mark.parametrize("page", [without_model, without_prompt])
@pytest.mark.parametrize("state", [{}, {"prompt": ""}, {"model": "no-such-model"}, {"edit_stack": EDIT}], ids=str)
def test_it_finds_something(page, state):
    app = AppTest.from_function(page, default_timeout=120)
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    if page is without_prompt and "model" in state:
        assert "There is no model" in test_pages.unescaped(test_pages.sentences(app))
        return
    assert not app.error
    assert app.header[0].value == ("They sum to 10" if page is without_model else "They sum to 4")
    popovers = "".join(str(block.proto) for block in app.get("popover"))
    assert all(label in popovers for label in ("How to read", "Checked", "Table", "Export"))


def test_exports_of_a_page_without_a_model_name_none():
    app = AppTest.from_function(without_model, default_timeout=120).run()
    app.session_state["sums-export"] = True
    app.run()
    code = [block.value for block in app.code]
    assert code[1] == "python -m mi_core running-sums --n 4"
    assert "mi_core.run(\n    'running_sums',\n    n=4,\n)" in code[0]


def test_which_pages_read_a_prompt_is_read_off_their_analyses(tmp_path, monkeypatch):
    read_others = ("directions", "probing", "max_activating")  # tokens, and texts of one's own
    others = {f"pages/look/{name}.py" for name in read_others}
    others |= {f"pages/understand/{name}.py" for name in ("bigram", "superposition", "ioi", "glossary")}
    assert set(test_pages.READ_A_PROMPT) == set(test_pages.PAGES) - others
    page = tmp_path / "page.py"
    monkeypatch.setattr(test_pages, "ROOT", tmp_path)
    page.write_text('answer = compute("running_sums", n=4)\n')
    assert not test_pages.reads_a_prompt("page.py")
    page.write_text('answer = compute(\n    "predict", model)\n')
    assert test_pages.reads_a_prompt("page.py")
