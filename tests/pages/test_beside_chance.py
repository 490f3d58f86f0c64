"""The switch “Beside chance”: off by default and free, on with its forecast, its sentence and its cloud."""

import pytest

from tests.pages.test_pages import unescaped, visit
from ui import compute

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


def findings(app):
    return [unescaped(box.value) for box in app.header]


def test_patterns_have_no_directions_and_the_page_goes_on():
    app = visit(PAGES["patching"][0], chance=True, patch="pattern", cell="L2H1")
    assert not app.exception and not app.error
    assert any(text.startswith("Patching L2H1 moves") for text in findings(app))
    assert any("other heads of layer 2" in unescaped(box.value) for box in app.markdown)
    assert any("Follow it" in link.proto.label for link in app.get("page_link"))


def test_a_part_that_is_kept_out_gives_way_to_the_strongest_of_the_others():
    app = visit(PAGES["ablation"][0], chance=True, also=["L0H2"], layer=0, head=2)
    assert not app.exception
    said = [text for text in findings(app) if text.startswith("Knocking out")]
    assert len(said) == 1 and "L0H2" not in said[0] and "nothing to compare" not in said[0]


@pytest.mark.parametrize(("site", "others"), [("key", "other tokens that are read"), ("neuron", "other neurons of")])
def test_what_matters_most_of_any_kind_is_compared(site, others):
    app = visit(PAGES["ablation"][0], chance=True, site=site)
    assert not app.exception and not app.error
    said = [text for text in findings(app) if text.startswith(("Knocking out L", "Cutting attention"))]
    assert len(said) == 1 and any(others in unescaped(box.value) for box in app.markdown)


def test_a_long_comparison_asks_beside_the_page_which_goes_on(monkeypatch):
    quick = visit(PAGES["edits"][0], subject="Texas", new_answer="Boston")
    monkeypatch.setattr(compute, "ASK_SECONDS", 0.0)
    app = visit(PAGES["edits"][0], subject="Texas", new_answer="Boston", chance=True, chance_seed=91)
    assert not app.exception and findings(app) == findings(quick)
    assert len(app.get("vega_lite_chart")) == len(quick.get("vega_lite_chart"))
    run = next(button for button in app.button if button.label == "Run")
    run.click().run()
    assert any(text.startswith("The edit moves the next token") for text in findings(app))
