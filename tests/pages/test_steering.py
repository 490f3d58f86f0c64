"""The steering page: one direction to begin with, others added, clamps, a sweep, and words for every mistake."""

import pytest

from mi_core.saes import highlights
from mi_core.saes import loading as saes
from tests.pages.test_pages import sentences, unescaped, visit

PAGE = "pages/intervene/steering.py"
PROMPT = "This movie was"
HOOK = saes.pick("loupe-mini").hook
KNOWN = highlights.of("loupe-mini", HOOK)


def open_page(**state):
    return visit(PAGE, **{"prompt": PROMPT, "new_tokens": 10} | state)


def texts(app) -> list[str]:
    return [code.value for code in app.code[:2]]


def pushed(app) -> list[str | None]:
    """The source chosen in each row for a further direction; the last row is empty until there are four."""
    return [box.value for box in app.selectbox if box.key.startswith("source")]


def test_a_newcomer_sees_one_direction_one_strength_and_two_texts():
    app = open_page()
    assert not app.exception and not app.error
    assert [slider.label for slider in app.slider if slider.key in ("strength", "times")] == ["Strength"]
    assert pushed(app) == [None]
    assert len(texts(app)) == 2 and all(texts(app))
    assert app.toggle(key="sweep").value is False
    assert len(app.get("vega_lite_chart")) == 1


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("contrast", {}),
        ("token", {"token": "good"}),
        ("vector", {"vector": ", ".join(str((-1) ** i * (i + 1)) for i in range(128))}),
    ],
)
def test_every_source_of_a_direction(source, state):
    app = open_page(source=source, strength=1.0, **state)
    assert not app.exception and not app.error
    assert app.header
    assert texts(app)[0] != texts(app)[1]


def test_a_second_direction_changes_the_text():
    alone = open_page(strength=0.3)
    both = open_page(strength=0.3, source2="token", token2="dog", strength2=0.8, layer2=3)
    assert not both.exception and not both.error
    assert texts(both)[0] == texts(alone)[0]
    assert texts(both)[1] != texts(alone)[1]
    assert pushed(both) == ["token", None]
    nothing = open_page(strength=0.3, source2="token", token2="dog", strength2=0.0)
    assert texts(nothing) == texts(alone)


def test_four_directions_and_no_more():
    state = {f"source{n}": "token" for n in (2, 3, 4)} | {f"token{n}": "good" for n in (2, 3, 4)}
    app = open_page(**state)
    assert not app.exception and not app.error
    assert pushed(app) == ["token"] * 3


def test_a_clamped_feature_is_held_at_times_its_largest_activation():
    feature = KNOWN[0].feature
    app = open_page(feature=feature, operation="clamp", times=2.0)
    assert not app.exception and not app.error
    assert [slider.key for slider in app.slider if slider.key in ("strength", "times")] == ["times"]
    assert texts(app)[0] != texts(app)[1]
    other = open_page(feature=feature, operation="clamp", times=0.0)
    assert texts(other)[1] != texts(app)[1]


@pytest.mark.parametrize("source", ["feature", "contrast", "token", "probe"])
def test_a_direction_of_any_kind_is_held_at_a_value(source):
    app = open_page(source=source, operation="hold", strength=-1.0)
    assert not app.exception and not app.error
    (slider,) = [slider for slider in app.slider if slider.key == "strength"]
    assert slider.label == "Hold it at" and texts(app)[0] != texts(app)[1]
    nothing, out = (open_page(source=source, operation=way, strength=0.0) for way in ("add", "hold"))
    assert "nothing changes" in unescaped(nothing.header[0].value)
    assert "nothing changes" not in unescaped(out.header[0].value), "held at 0 it is taken out"
    assert ("clamped" in app.segmented_control(key="operation").options) == (source == "feature")


def test_a_further_direction_is_held_too():
    state = {"source": "feature", "strength": 0.0, "source2": "token", "token2": "dog", "strength2": 0.0}
    added, held = open_page(**state), open_page(**state, hold2=True)
    assert not held.exception and not held.error
    assert "nothing changes" in unescaped(added.header[0].value) != unescaped(held.header[0].value)
    assert "Hold direction 2 at" in [slider.label for slider in held.slider]


@pytest.mark.parametrize("measure", ["probability", "kl", "perplexity"])
@pytest.mark.parametrize("operation", ["add", "clamp", "hold"])
def test_a_sweep_is_drawn_and_its_texts_are_listed(measure, operation):
    app = open_page(sweep=True, measure=measure, operation=operation)
    assert not app.exception and not app.error
    assert len(app.get("vega_lite_chart")) == 2
    assert len(app.header) == 2 and "strengths" in unescaped(app.header[1].value)
    assert any("perplexity is above" in unescaped(text.value) for text in app.markdown)
    assert len(app.table) >= 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"source": "token", "token": "Constantinople"}, "tokens for this model"),
        ({"source": "token", "token": ""}, "The token is missing"),
        ({"source": "vector", "vector": ""}, "Paste the direction: 128 numbers"),
        ({"source": "vector", "vector": "0.1, 0.2"}, "There are 2 numbers"),
        ({"source": "vector", "vector": "0.1, much"}, "“much” (number 2) is not a number"),
        ({"source": "contrast", "positive": ""}, "The positive prompts are empty"),
        ({"layer": 77}, "There is no layer 77"),
        ({"source2": "token", "token2": "Constantinople"}, "Direction 2: “Constantinople” is"),
        ({"source2": "feature", "feature2": 999_999}, "Direction 2: There is no feature"),
        ({"source2": "token", "token2": "good", "layer2": 77}, "Direction 2: There is no layer 77"),
    ],
)
def test_a_mistake_gets_a_sentence_beside_its_field_and_nothing_is_lost(state, said):
    app = open_page(**state)
    assert not app.exception
    assert said in unescaped(sentences(app))
    assert said in unescaped(app.error[0].value)
    for key, value in state.items():
        assert app.session_state[key] == value


def test_the_first_piece_of_a_word_is_offered():
    app = open_page(source="token", token="Constantinople")
    (repair,) = [button for button in app.button if button.key == "repair-token"]
    repair.click().run()
    assert not app.exception and not app.error
    assert app.text_input(key="token").value.startswith('"') and app.header


def test_numbers_too_many_for_an_address_are_kept_and_said_to_be():
    app = open_page(source="vector", vector="0.123456789012345678901234567890, " * 500)
    assert not app.exception
    assert "too long for the address bar" in unescaped(sentences(app))
    assert "There are 500 numbers" in unescaped(app.error[0].value)


def test_a_known_feature_is_one_click_away_for_a_second_direction_too():
    app = open_page(source2="feature")
    app.button(key=f"try2-{KNOWN[-1].feature}").click().run()
    assert not app.exception and not app.error
    assert app.number_input(key="feature2").value == KNOWN[-1].feature
    assert app.slider(key="strength2").value == KNOWN[-1].strength
    assert app.text_area(key="prompt").value == PROMPT


def test_texts_that_were_stopped_stay_as_far_as_they_were_written(monkeypatch):
    asked = []
    with monkeypatch.context() as patched:
        patched.setattr("ui.compute._unless_stopped", lambda request, on_partial: asked.append(request))
        open_page()
    (request,) = [one for one in asked if one.analysis == "steering"]
    app = open_page(_stopped=request, _written=("one half", "the other"))
    assert not app.exception and not app.error
    assert texts(app) == ["one half", "the other"]
    assert not app.header
    app.button(key="run-steering").click().run()
    assert app.header and "one half" not in texts(app)
