"""A value goes with what it belonged to, or is named: places always, words where they came with the prompt."""

import pytest
from streamlit.runtime.state import SafeSessionState, SessionState

from tests.pages.test_links import follow
from tests.pages.test_pages import EDITS, PATCHING, START, sentences, unescaped, visit
from ui import belonging, words
from ui.parts.presets import PRESETS

ATTENTION = "pages/look/attention.py"
FEATURES = "pages/look/features.py"
OHIO = "The capital of Ohio is"
# What is typed and means the same for any prompt and any model.
FREE = {
    "prompt", "find", "reference", "unrelated", "edit_token", "edit_numbers", "times", "largest", "new_tokens",
    "temperature", "seed", "reach", "reach_times", "distance", "set_to",
    "pattern", "baseline_token", "n_steps", "window", "permutations", "plus", "less", "onto", "tokens", "nearest_to",
    "labelled", "read_token", "towards", "probe_strength", "beside", "least", "dense", "label",
    "n_features", "n_hidden", "density", "importance", "learning_steps", "starts", "start", "hidden",
    *(key + n for key in ("positive", "negative", "vector", "strength") for n in ("", "2", "3", "4")),
    "token2", "token3", "token4", "level", "edges_shown",
    "tour_step", "slide", "own_words", "training_steps", "letter", "cut_letter", "bigram_token", "term", "fetched",
    "prompts", "n_prompts", "names", "templates",
    "b.prompt", "b.target", "b.foil", "b.value",
}  # fmt: skip


def kept(app) -> bool:
    return "Still followed" in unescaped(sentences(app))


def turn(app, page):
    """To another page, as by its link in the sidebar."""
    app.switch_page(page)
    app.query_params = {}
    app.run()
    assert not app.exception


def test_of_every_field_that_is_typed_it_is_known_what_it_belongs_to():
    typed = {
        key
        for page in words.PAGES
        for key, field in words.of_page(page).items()
        if isinstance(field, words.Text | words.Number)
    }
    assert typed == (set(belonging.BELONGS) | FREE) and not set(belonging.BELONGS) & FREE
    assert {owner for owners in belonging.BELONGS.values() for owner in owners} <= words.KNOWN


@pytest.mark.parametrize(
    ("page", "state", "owner", "value"),
    [
        (ATTENTION, {"layer": 3, "head": 1}, "model", None),
        (FEATURES, {"sae": "blocks.1.hook_resid_pre", "feature": 900}, "sae", "blocks.3.hook_resid_post"),
        (PATCHING, {"corrupted": "The capital of France is", "cell": "L2@4"}, "patch", "head"),
        ("pages/intervene/ablation.py", {"also": ["L3H0", "L1P5"]}, "prompt", OHIO),
        (START, {"pos": 5}, "bos", "off"),
        (START, {"pos": 5}, "prompt", OHIO),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)
def test_a_place_goes_with_what_it_is_a_place_of(tiny_folder, page, state, owner, value):
    app = visit(page, **state)
    assert not app.exception and not app.error
    if owner == "model":
        value = str(tiny_folder("llama"))
        app.text_area(key="prompt").set_value("the cat").run()
        assert app.session_state["layer"] == 3, "a layer is none of a prompt's places"
    kind = app.text_area if owner == "prompt" else app.selectbox
    kind(key=owner).set_value(value).run()
    assert not app.exception and not app.error and app.header
    for key in set(state) - {"sae", "corrupted"}:
        assert app.session_state[key] in ("", None, []), key
    assert not kept(app)


def test_a_story_leaves_nothing_to_the_next_prompt_and_keeps_all_of_its_own():
    app = visit(START)
    for preset in (PRESETS[1], PRESETS[3]):
        app.button(key=f"preset-{preset.title}").click().run()
        assert app.text_input(key="target").value == preset.target
        assert app.text_input(key="foil").value == preset.foil and not kept(app)
    app.button(key=f"preset-{PRESETS[0].title}").click().run()
    app.text_area(key="prompt").set_value(PRESETS[0].prompt + "\n").run()
    assert app.text_input(key="target").value == PRESETS[0].target, "white space makes no other prompt of it"
    app.text_area(key="prompt").set_value(OHIO).run()
    assert app.text_input(key="target").value == app.text_input(key="foil").value == "" and not kept(app)
    assert "target" not in app.query_params and "Columbus" in unescaped(app.header[0].value)


def test_words_typed_for_another_prompt_stay_where_they_are_and_are_named_on_their_page():
    app = visit(EDITS, prompt="The capital of Texas is", subject="Texas", new_answer="Dallas")
    assert not kept(app)
    app.text_area(key="prompt").set_value("The capital city of Texas is called").run()
    said = unescaped(sentences(app))
    assert "former prompt: the subject “Texas” and the new answer “Dallas”." in said and app.header
    app.text_input(key="new_answer").set_value("Houston").run()
    assert "former prompt: the subject “Texas”." in unescaped(sentences(app)), "what is typed anew belongs to this one"
    turn(app, START)
    assert not kept(app)
    turn(app, EDITS)
    app.button(key="let-go").click().run()
    assert app.text_input(key="subject").value == "" and not kept(app)
    assert app.text_input(key="new_answer").value == "Houston"


def test_what_a_link_brings_belongs_to_its_prompt():
    app = follow("logit_lens", {"prompt": "The capital of Japan is", "target": "Tokyo", "foil": "Rome", "pos": "4"})
    assert app.text_input(key="target").value == "Tokyo" and not kept(app)
    app.segmented_control(key="norm").set_value("frozen").run()
    app.text_area(key="prompt").set_value(OHIO).run()
    assert app.text_input(key="target").value == app.text_input(key="foil").value == "" and not kept(app)
    assert app.number_input(key="pos").value is None and app.segmented_control(key="norm").value == "frozen"


def test_a_word_to_steer_to_and_a_token_to_knock_out_do_not_meet():
    app = follow("steering", {"source": "token", "token": "dog"})
    app.text_area(key="prompt").set_value(OHIO).run()
    assert app.text_input(key="token").value == "dog", "a word to steer to is not of a prompt"
    turn(app, "pages/intervene/ablation.py")
    app.segmented_control(key="site").set_value("position").run()
    assert not app.exception and app.number_input(key="token").value is None
    app.number_input(key="layer").set_value(1)
    app.number_input(key="token").set_value(4).run()
    assert not app.exception and not app.error
    turn(app, "pages/intervene/steering.py")
    assert app.text_input(key="token").value == "happy"


def test_a_run_that_the_next_act_overtakes_still_knows_what_came_with_its_prompt(monkeypatch):
    def overtaken():
        raise RuntimeError("a run ends where it looks at its state")

    state = SessionState()
    for key, value in {"prompt": "a", "target": "b", "_records": {}, "_came": {"target"}}.items():
        state[key] = value
    monkeypatch.setattr(belonging, "get_session_state", lambda: SafeSessionState(state, overtaken))
    belonging.remember()
    assert state["_records"]["target"] == belonging.Record("b", ("a",), True) and not state["_came"]
