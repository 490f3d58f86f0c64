"""The ablation page: every kind of part, several out at once, what the model then writes, and bad input."""

import pytest

from tests.pages.test_pages import sentences, unescaped, visit

ABLATION = "pages/intervene/ablation.py"
DRINK = {"prompt": "When Mary and John went to the store, John gave a drink to", "target": " Mary", "foil": " John"}
COPYING = {"prompt": " river table garden apple Tuesday river table garden apple", "target": " Tuesday"}


def findings(app) -> list[str]:
    return [unescaped(box.value) for box in app.header]


def texts(app) -> list[str]:
    return [code.value for code in app.code[:2]]


@pytest.mark.parametrize("kind", ["head", "attn_out", "mlp_out", "neuron", "feature", "position", "key", "edge"])
@pytest.mark.parametrize("metric", ["logit", "probability", "kl"])
def test_every_kind_and_measure_finds_something(kind, metric):
    app = visit(ABLATION, site=kind, metric=metric)
    assert not app.exception and not app.error
    assert len(findings(app)) == 2 and app.get("vega_lite_chart") and all(texts(app))


def test_a_part_kept_out_shows_what_the_others_do_without_it():
    app = visit(ABLATION, **DRINK)
    first = findings(app)[0]
    assert first.startswith("Without L0H2, the logit difference of “·Mary” − “·John” falls most")
    app.button(key="keep").click().run()
    assert not app.exception and not app.error
    assert app.multiselect(key="also").value == ["L0H2"]
    second = findings(app)[0]
    assert second.startswith("With L0H2 out already: without ") and "L0H2, the" not in second
    said = unescaped("\n".join(box.value for box in app.markdown))
    assert "With L0H2 out, the logit difference after" in said and "instead of +30.42" in said
    assert "Without L0H2" in findings(app)[1]
    app.number_input(key="layer").set_value(0)
    app.number_input(key="head").set_value(2).run()
    app.button(key="put-back").click().run()
    assert app.multiselect(key="also").value == []
    assert findings(app)[0] == first.replace("falls most, of all heads:", "falls:")
    assert f"{first}." in [unescaped(box.value) for box in app.markdown]


def test_a_link_lands_on_its_own_head_and_the_strongest_stays_in_sight():
    app = visit(ABLATION, **COPYING, layer=1, head=3)
    assert not app.exception and not app.error
    assert all("L1H3" in finding for finding in findings(app))
    others = [unescaped(box.value) for box in app.markdown if "of all heads" in box.value]
    assert len(others) == 1 and "Without L0H3" in others[0]
    assert "Keep L1H3 knocked out" in app.button(key="keep").label


def test_the_text_changes_where_the_part_matters():
    app = visit(ABLATION, **COPYING, layer=0, head=3)
    before, after = texts(app)
    assert before.startswith(" Tuesday river table") and not after.startswith(" Tuesday")
    assert "the next word is" in findings(app)[1]


def test_a_feature_of_a_link_is_looked_at():
    app = visit(ABLATION, site="feature", sae="blocks.2.hook_resid_pre", feature=539)
    assert "feature 539" in findings(app)[1] and not app.error
    silent = visit(ABLATION, site="feature", sae="blocks.2.hook_resid_pre", feature=115)
    said = unescaped("\n".join(box.value for box in silent.markdown))
    assert "Feature 115 is not active on this prompt" in said and texts(silent)[0] == texts(silent)[1]


def test_a_feature_is_put_at_nothing_its_average_or_a_number():
    titles = set()
    for state in ({}, {"feature_mode": "mean"}, {"feature_mode": "set", "set_to": 40.0}):
        app = visit(ABLATION, site="feature", sae="blocks.2.hook_resid_pre", feature=115, **state)
        assert not app.exception and not app.error
        titles.add(findings(app)[0])
        assert ("is not active" in unescaped("\n".join(box.value for box in app.markdown))) == (not state)
    assert any(title.startswith("With feature 115 (") and "set to 40, " in title for title in titles)
    app = visit(ABLATION, site="feature", feature_mode="set", set_to=40.0, also=["L0H1"])
    assert "L0H1 is more than one number" in unescaped(app.error[0].value)
    assert "a number of mine" not in visit(ABLATION, site="head").selectbox(key="mode").options


def test_what_one_token_reads_of_another_is_cut_everywhere_or_head_by_head():
    app = visit(ABLATION, **DRINK, site="key")
    assert findings(app)[0].startswith("Without attention from “·to” (position 14) to “·John” (position 10), ")
    one = visit(ABLATION, **DRINK, site="key", key_pos=2, layer=1)
    assert "to “·Mary” (position 2) in layer 1" in findings(one)[0] and "attention 1@14→2" in findings(one)[1]
    one.button(key="keep").click().run()
    assert one.multiselect(key="also").value == ["attention 1@14→2"] and not one.exception and not one.error
    heads = visit(ABLATION, **DRINK, site="edge")
    assert "to “·John” (position 10) in L" in findings(heads)[0], "the token that matters most"
    head = visit(ABLATION, **DRINK, site="edge", query_pos=10, key_pos=4, layer=1, head=2)
    assert "from “·John” (position 10) to “·John” (position 4) in L1H2" in findings(head)[0]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"layer": 9, "head": 0}, "There is no layer 9"),
        ({"layer": 1, "head": 7}, "There is no head 7"),
        ({"also": ["L9H0"]}, "There is no layer 9"),
        ({"also": ["the fifth head"]}, "is no component: write L3H0"),
        ({"site": "neuron", "layer": 2, "neuron": 600}, "There is no neuron 600"),
        ({"site": "neuron", "layer": 7}, "There is no layer 7"),
        ({"site": "feature", "feature": 5000}, "There is no feature 5000"),
        ({"site": "position", "layer": 1, "token": 30}, "There is no token 30"),
        ({"site": "key", "key_pos": 40}, "cannot read token 40"),
        ({"site": "edge", "query_pos": 40}, "There is no position 40"),
        ({"site": "key", "layer": 1, "head": 9}, "There is no head 9"),
        ({"reference": "word " * 700}, "tokens long"),
    ],
    ids=str,
)
def test_what_is_not_there_gets_a_sentence_beside_its_field(state, said):
    app = visit(ABLATION, **state)
    assert not app.exception
    assert said in unescaped(app.error[0].value) and said in unescaped(sentences(app))
    for key, value in state.items():
        assert app.session_state[key] == value, "what was typed stays"


def test_what_is_published_stands_beside_its_story():
    app = visit(ABLATION, **DRINK)
    assert any("Expected on GPT-2 small" in box.label for box in app.expander)
    assert not any("Expected" in box.label for box in visit(ABLATION).expander)


def test_a_model_without_an_autoencoder_has_no_features_to_knock_out(tiny_folder):
    app = visit(ABLATION, model=str(tiny_folder("gemma2")), prompt="the cat sat on the dog", site="neuron")
    assert not app.exception and not app.error
    assert "features" not in app.segmented_control(key="site").options and len(findings(app)) == 2
