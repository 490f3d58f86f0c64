"""Which push shows: every one that is tried is what a sweep of that direction alone says, and the best leads."""

import pytest

from mi_core.analyses.push_that_shows import NEW_TOKENS, STRENGTHS, new_words, push_that_shows
from mi_core.analyses.steering import steering
from mi_core.analyses.steering_sweep import steering_sweep
from mi_core.errors import InputError

TEXAS = "The capital of Texas is"


@pytest.fixture(scope="module")
def texas(mini):
    return push_that_shows(mini, TEXAS, foil="Paris")


def test_each_push_is_what_a_sweep_of_its_own_says(mini, texas):
    for label in {one.label for one in texas.tried}:
        rows = sorted((one for one in texas.tried if one.label == label), key=lambda one: one.strength)
        options = {"strengths": STRENGTHS, "max_new_tokens": NEW_TOKENS}
        alone = steering_sweep(mini, TEXAS, **rows[0].settings, **options)
        assert [one.strength for one in rows] == list(STRENGTHS)
        assert [one.text for one in rows] == [text.text for text in alone.texts]
        assert [one.kl for one in rows] == pytest.approx(alone.kl.tolist(), abs=1e-3)
        assert [one.readable for one in rows] == [state == "fine" for state in alone.states]


@pytest.mark.parametrize("prompt", [TEXAS, "The capital of Japan is"])
def test_steering_by_it_says_the_same_without_a_warning(mini, prompt):
    best = push_that_shows(mini, prompt).best
    shown = steering(mini, prompt, **best.settings, strength=best.strength)
    assert shown.texts[1].text == best.text and shown.top_after == best.top_after and shown.notes == ()
    assert shown.kl == pytest.approx(best.kl, abs=1e-3)


def test_what_reaches_the_foil_leads_and_else_what_shows_best(mini, texas):
    assert texas.best.top_after == " Paris" and texas.best.reaches_foil
    plain = push_that_shows(mini, TEXAS)
    assert plain.best.shows == max(one.shows for one in plain.tried) and not plain.best.reaches_foil
    assert all(one.shows == 0 for one in plain.tried if not one.readable or one.text == plain.unsteered.text)


def test_the_words_say_what_the_table_says(texas):
    title, (how, does) = texas.reading().title, texas.reading().sentences
    row = texas.tables()["tried"].iloc[0]
    assert row["label"] in title and f"strength {row['strength']:g}" in title
    assert f"{row['kl']:.2f} bits" in does and f"{row['new_words']:.0%} of the words" in does
    assert f"{texas.tables()['tried']['label'].nunique()} directions" in how


def test_new_words():
    assert new_words("Le chien", "The dog") == 1 and new_words("", "The dog") == 0
    assert new_words("The dog, the cat", "the DOG") == pytest.approx(1 / 4)


def test_on_every_architecture(architecture, tiny_model):
    found = push_that_shows(tiny_model(architecture), " the cat sat on", foil="dog")
    assert found.tried and all(check.passed for check in found.checks), found.checks
    assert found.reading().title


def test_a_foil_that_is_no_token_gets_a_sentence(mini):
    with pytest.raises(InputError, match="tokens for this model") as caught:
        push_that_shows(mini, TEXAS, foil="Constantinople")
    assert caught.value.field == "foil"
