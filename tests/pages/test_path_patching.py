"""The path patching page: its receivers, the walk backwards through a circuit, and what it says to bad input."""

import re

import pytest

from tests.pages.test_links import follow
from tests.pages.test_pages import sentences, unescaped, visit
from ui.parts.presets import PRESETS

PAGE = "pages/intervene/path_patching.py"
(DRINK,) = [preset for preset in PRESETS if preset.title == "Who gets the drink?"]


def ask(**state):
    return visit(PAGE, prompt=DRINK.prompt, target=DRINK.target, foil=DRINK.foil, **state)


def found(app) -> str:
    assert not app.exception and not app.error
    return unescaped(app.header[0].value)


def buttons(app, icon: str) -> list[str]:
    return [unescaped(button.label) for button in app.button if icon in button.icon]


def test_the_circuit_is_walked_backwards_and_forwards_by_one_click_each():
    app = ask()
    names, titles = [], [found(app)]
    assert "speaks to the answer most" in titles[0] and buttons(app, "arrow_back") == []
    while not titles[-1].startswith("L0"):
        names.append(titles[-1].split()[0])
        assert app.button(key="walk").label == f"Who feeds {names[-1]}?"
        app.button(key="walk").click().run()
        titles.append(found(app))
        assert re.match(rf"L\dH\d feeds {names[-1]}’s values most", titles[-1])
        assert app.text_input(key="receiver").value == names[-1]
        assert buttons(app, "arrow_back") == ["the answer", *names[:-1]]
    assert names and "no head comes before it" in unescaped(sentences(app))
    assert not [button for button in app.button if button.key == "walk"]
    for step in reversed(range(len(names))):
        app.button(key=f"back-{step}").click().run()
        assert found(app) == titles[step] and buttons(app, "arrow_back") == ["the answer", *names[:step]][:step]
    assert "speaks to the answer most" in found(app) and app.text_input(key="receiver").value == ""


def test_the_clicked_head_is_the_next_receiver():
    app = ask(sender="L2H1")
    app.button(key="walk").click().run()
    assert app.text_input(key="receiver").value == "L2H1" and "L2H1’s" in found(app)
    assert app.text_input(key="sender").value == ""


def test_a_link_brings_the_clicked_head_along_and_its_outline():
    app = follow("path_patching", {"prompt": DRINK.prompt, "sender": "l2h1"})
    assert app.text_input(key="sender").value == "l2h1" and app.button(key="walk").label == "Who feeds L2H1?"
    assert "strokeDash" in app.get("vega_lite_chart")[0].proto.spec
    app.text_input(key="sender").set_value("").run()
    assert "strokeDash" not in app.get("vega_lite_chart")[0].proto.spec


@pytest.mark.parametrize("sender", ["L9H9", "the cat"])
def test_a_head_that_this_model_does_not_have_is_named(sender):
    app = ask(sender=sender)
    assert app.button(key="walk").label == f"Who feeds {found(app).split()[0]}?"
    assert f"No head of this chart is called “{sender}”" in unescaped(sentences(app))


@pytest.mark.parametrize(("received", "named"), [("q", "queries"), ("k", "keys"), ("v", "values")])
def test_each_input_of_a_head(received, named):
    app = ask(receiver="l3h0", input=received)
    assert f"L3H0’s {named}" in found(app)
    assert buttons(app, "arrow_back") == ["the answer"]


@pytest.mark.parametrize(
    ("site", "said"),
    [("attn_out", r"attention \d speaks to the answer most"), ("mlp_out", "No single path to the answer carries")],
)
def test_whole_layers_send(site, said):
    app = ask(site=site)
    assert re.match(said, found(app))
    assert not [button for button in app.button if button.key == "walk"]


def test_the_ways_to_ask_differ():
    titles = {found(ask(**state)) for state in ({}, {"direction": "noise"}, {"straight": True})}
    assert len(titles) == 3


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"receiver": "L9H0"}, "There is no layer 9"),
        ({"receiver": "L3H9"}, "There is no head 9"),
        ({"receiver": "L0H1"}, "No head comes before L0H1"),
        ({"receiver": "the cat"}, "cannot receive: write logits, or a head such as L2H0"),
        ({"receiver": "<b>x</b> $y$"}, "“<b>x</b> $y$” cannot receive"),
        ({"corrupted": DRINK.prompt}, "Both prompts are the same"),
        ({"corrupted": DRINK.prompt + " him"}, "15 and 16 tokens long"),
    ],
)
def test_bad_input_gets_a_sentence_beside_its_field_and_is_kept(state, said):
    app = ask(**state)
    assert not app.exception and not app.header
    assert said in unescaped(app.error[0].value)
    for name, value in state.items():
        assert app.text_input(key=name).value == value


def test_a_wrong_receiver_is_mended_by_typing_another():
    app = ask(receiver="L0H1")
    app.text_input(key="receiver").set_value("L3H0").run()
    assert "feeds L3H0" in found(app)


def test_the_pages_before_it_lead_here():
    app = visit("pages/look/attribution.py", layer=3, head=0)
    links = {link.proto.label: link.proto for link in app.get("page_link")}
    assert any(label.startswith("Who feeds L3H0?") for label in links)
    patching = visit("pages/intervene/patching.py", prompt=DRINK.prompt)
    assert any("which head talks to which" in link.proto.label for link in patching.get("page_link"))
