"""The page of directions: arithmetic with words and its control, a set of directions, and the ways on."""

import json
from urllib.parse import parse_qsl

from tests.pages.test_pages import sentences, unescaped, visit

DIRECTIONS = "pages/look/directions.py"


def links(app) -> list[tuple[str, dict[str, str]]]:
    return [(link.proto.page, dict(parse_qsl(link.proto.query_string))) for link in app.get("page_link")
            if link.proto.label.startswith("Prove it: ")]  # fmt: skip


def test_arithmetic_stands_beside_the_word_alone():
    app = visit(DIRECTIONS)
    assert not app.exception and not app.error
    assert "comes nearest to “·Rome”" in unescaped(app.header[0].value)
    titles = [json.loads(element.proto.spec)["title"]["text"] for element in app.get("vega_lite_chart")]
    assert titles[1] == ["Nearest to “·Italy” alone"]
    app.button(key="try-king").click().run()
    assert "comes nearest to “·queen”" in unescaped(app.header[0].value)
    assert any("the arithmetic is not needed for it" in unescaped(each.value) for each in app.markdown)
    assert {page for page, _ in links(app)} == {"steering", "edits"}


def test_a_word_of_several_tokens_gets_a_sentence_beside_its_field():
    app = visit(DIRECTIONS, onto="antidisestablishment")
    assert not app.exception and "tokens for this model" in unescaped(sentences(app))


def test_a_set_of_every_source_is_compared_and_sent_on():
    state = {"show": "set", "tokens": "happy\nsad", "source2": "feature", "feature2": 306, "source3": "contrast"}
    app = visit(DIRECTIONS, **state, nearest_to=2)
    assert not app.exception and not app.error
    assert "point most nearly" in unescaped(app.header[0].value)
    sent = links(app)
    assert [page for page, _ in sent] == ["steering", "edits", "ablation"]
    assert sent[0][1]["to-feature"] == sent[2][1]["to-feature"] == "306" and sent[0][1]["to-source"] == "feature"
    assert sent[1][1]["to-edit_kind"] == "orthogonalise" and sent[1][1]["to-edit_direction"] == "feature"
    app.number_input(key="nearest_to").set_value(0).run()
    assert links(app)[0][1]["to-token"] == "happy" and links(app)[1][1]["to-edit_token"] == "happy"
    app.number_input(key="nearest_to").set_value(3).run()
    assert links(app)[0][1]["to-source"] == "contrast" and "wonderful" in links(app)[1][1]["to-positive"]


def test_two_directions_stand_beside_each_other_and_one_of_them_is_a_probe_s():
    state = {"show": "set", "tokens": "Paris", "source2": "probe", "probe2": "language/French", "layer2": 2}
    app = visit(DIRECTIONS, **state, nearest_to=1, beside=0)
    assert not app.exception and not app.error
    said = unescaped(app.subheader[0].value)
    assert said.startswith("The probe of “French” and the token “·Paris”: cosine ") and "times what chance" in said
    titles = [json.loads(element.proto.spec)["title"]["text"] for element in app.get("vega_lite_chart")]
    assert titles[1:] == [["Tokens nearest to the probe of “French”"], ["Tokens nearest to the token “·Paris”"]]
    (steering, push), (edits, removed) = links(app)
    assert (steering, edits) == ("steering", "edits")
    assert push == {"to-source": "probe", "to-probe": "language/French", "to-layer": "2"}
    assert removed["to-edit_direction"] == "probe" and removed["to-probe"] == "language/French"
    app.number_input(key="beside").set_value(1).run()  # itself
    assert not app.subheader


def test_an_empty_set_gets_a_sentence():
    app = visit(DIRECTIONS, show="set", tokens=" ")
    assert not app.exception and "There are 0 directions" in unescaped(sentences(app))
