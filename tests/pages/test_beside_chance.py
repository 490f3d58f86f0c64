"""The switch “Beside chance”: off by default and free, on with its forecast, its sentence and its cloud."""

import pytest

from tests.pages.test_pages import unescaped, visit

PAGES = {
    "ablation": ("pages/intervene/ablation.py", "Knocking out"),
    "patching": ("pages/intervene/patching.py", "Patching L"),
    "steering": ("pages/intervene/steering.py", "The push moves the next token"),
    "edits": ("pages/intervene/edits.py", "The edit moves the next token"),
}


@pytest.mark.parametrize("name", PAGES)
def test_off_nothing_is_computed_and_on_chance_stands_beside(name):
    page, said = PAGES[name]
    state = {"subject": "Texas", "new_answer": "Boston"} if name == "edits" else {}
    app = visit(page, **state)
    assert not app.exception and app.toggle(key="chance").value is False
    assert not any(unescaped(box.value).startswith(said) for box in app.header)
    app.toggle(key="chance").set_value(True).run()
    assert not app.exception and not app.error
    assert any(unescaped(box.value).startswith(said) and "chance" in box.value for box in app.header)
    captions = [unescaped(box.value) for box in app.caption]
    assert any(text.startswith("This comparison with chance takes about") for text in captions)
    first = [unescaped(box.value) for box in app.markdown if "random directions" in box.value]
    app.number_input(key="chance_seed").set_value(7).run()
    assert not app.exception and first != [
        unescaped(box.value) for box in app.markdown if "random directions" in box.value
    ]
