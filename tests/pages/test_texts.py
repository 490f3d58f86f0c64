"""The page of texts: for every part of the model, on the sample and on a file of one's own."""

import json
from urllib.parse import parse_qsl

import pytest

from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

TEXTS = "pages/look/max_activating.py"
OWN = "".join(f'"{number} says that {city} is old"\n' for number, city in enumerate(["Paris", "Berlin", "Austin"] * 9))


def links(app) -> list[tuple[str, dict[str, str]]]:
    return [(link.proto.page, dict(parse_qsl(link.proto.query_string))) for link in app.get("page_link")]


def said(app) -> str:
    return unescaped("\n".join(box.value for box in app.markdown))


@pytest.mark.parametrize(
    ("state", "title", "leads"),
    [
        ({}, "Feature 66 (“·is”) fires most on “·is”", ["features", "steering", "edits", "ablation"]),
        ({"unit": "neuron"}, "Neuron ", ["neurons", "ablation"]),
        ({"unit": "head", "layer": 1, "head": 2}, "L1H2 writes most at", ["attention", "ablation"]),
        ({"unit": "direction"}, "Along positive − negative prompts, the stream after layer 1", ["steering", "edits"]),
    ],
)
def test_every_part_has_its_texts_beside_some_at_random(state, title, leads):
    app = visit(TEXTS, **state)
    assert not app.exception and not app.error
    assert unescaped(app.header[0].value).startswith(title)
    assert "**Where it is strongest**" in said(app) and "texts at random" in said(app)
    pages = links(app)
    assert [page for page, _ in pages] == leads
    own = {f"to-{name}": str(value) for name, value in state.items() if name in ("layer", "head")}
    assert own.items() <= pages[-1][1].items()
    (chart,) = app.get("vega_lite_chart")
    assert "logarithmic" in json.dumps(json.loads(chart.proto.spec))


def test_a_file_of_ones_own_is_searched_and_kept_for_the_next_visit():
    app = visit(TEXTS, unit="head", layer=1, head=2)
    app.file_uploader(key="searched_file").set_value(("cities.jsonl", OWN.encode(), "application/jsonl")).run()
    assert not app.exception and not app.error
    assert "in 27 texts of cities.jsonl" in said(app)
    app.switch_page("pages/look/features.py").run()
    app.switch_page(TEXTS).run()
    assert "27 texts of cities.jsonl" in said(app) and "Searching cities.jsonl." in unescaped(sentences(app))
    app.button(key="sample").click().run()
    assert "of the sample that comes with Loupe" in said(app)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("a.txt", "é".encode("latin-1"), "is not a text file in UTF-8"),
        ("a.txt", b"", "is empty"),
        ("a.csv", b"name\nAnna", "has no column named text"),
    ],
)
def test_a_file_that_cannot_be_used_gets_a_sentence(name, content, wrong):
    app = visit(TEXTS)
    app.file_uploader(key="searched_file").set_value((name, content, "text/plain")).run()
    assert not app.exception and wrong in unescaped(app.error[0].value) and not app.header


def test_a_long_search_waits_until_it_is_agreed_to(monkeypatch):
    from ui import compute

    monkeypatch.setattr(compute, "ASK_SECONDS", 0.0)
    app = visit(TEXTS, unit="head", layer=0, head=1)
    assert app.header  # the sample is short
    app.file_uploader(key="searched_file").set_value(("long.jsonl", OWN.encode(), "application/jsonl")).run()
    assert "This search takes about" in sentences(app) and not app.header
    (run,) = [button for button in app.button if button.label == "Run"]
    run.click().run()
    assert not app.exception and "of long.jsonl" in said(app)


def test_where_there_is_no_autoencoder_it_begins_with_a_neuron(tiny_folder):
    app = open_on(TEXTS, tiny_folder("llama"))
    assert not app.exception and not app.error
    assert app.segmented_control(key="unit").options == ["a neuron", "a head", "a direction"]
    assert "Neuron " in app.header[0].value


def test_other_pages_lead_here_with_the_part_filled_in():
    found = [link for link in links(visit("pages/look/features.py", feature=115)) if link[0] == "max_activating"]
    assert found == [
        ("max_activating", {"to-unit": "feature", "to-sae": "blocks.2.hook_resid_pre", "to-feature": "115"})
    ]
