"""Second prompts that are proposed: what they do is what plain transformers says, and each can be patched."""

import numpy as np
import pytest

from mi_core.analyses.counterpart import counterpart
from mi_core.analyses.patching import patching
from mi_core.errors import InputError
from tests.core.plain_hooks import hooks_left
from tests.core.plain_reference import plain

TEXAS = "The capital of Texas is"
DRINK = "When Mary and John went to the store, John gave a drink to"


@pytest.mark.parametrize("prompt", [TEXAS, DRINK])
def test_what_each_exchange_does_is_what_plain_transformers_says(mini, hf_model, prompt):
    found = counterpart(mini, prompt)
    hf = hf_model("loupe-mini")
    before = plain(hf, found.tokens.ids).logits[-1].softmax(-1)
    assert found.before == pytest.approx(float(before[found.target.token_id]), abs=1e-4)
    for swap in found.swaps[::7]:
        row = plain(hf, mini.tokens(swap.prompt).ids).logits[-1].softmax(-1)
        assert swap.probability == pytest.approx(float(row[found.target.token_id]), abs=1e-4)
        row[found.target.token_id] = 0
        assert swap.prediction == mini.text(int(row.argmax()))
        assert swap.prediction_probability == pytest.approx(float(row.max()), abs=1e-4)
    assert all(check.passed for check in found.checks)


def test_each_is_the_prompt_with_one_word_exchanged_and_can_be_patched(mini):
    found = counterpart(mini, TEXAS)
    for swap in found.swaps:
        ids = mini.tokens(swap.prompt).ids
        assert np.flatnonzero(np.not_equal(ids, found.tokens.ids)).tolist() == [swap.pos]
        assert swap.pos < 5 and mini.text(ids[swap.pos]) == swap.replacement
    best = found.swaps[0]
    assert best.pos == 4 and best.prediction_probability > 0.5 > best.probability
    restored = patching(mini, TEXAS, corrupted=best.prompt).restored
    assert restored[0, 4] == pytest.approx(1, abs=1e-3)


def test_the_clearest_change_of_answer_comes_first(mini):
    leads = [swap.prediction_probability - swap.probability for swap in counterpart(mini, DRINK).swaps]
    assert leads == sorted(leads, reverse=True) and leads[0] > 0.9


def test_another_answer_comes_before_another_sentence(mini):
    """With “largest” for “capital” the model says “in” for sure, which answers nothing."""
    answers = [
        swap.prediction[1:2].isupper() and swap.prediction_probability > swap.probability
        for swap in counterpart(mini, TEXAS).swaps
    ]
    assert answers == sorted(answers, reverse=True) and any(answers) and not all(answers)


def test_on_every_architecture(architecture, tiny_model):
    model = tiny_model(architecture)
    counterpart(model, " the cat sat")  # the bridge sets hooks of its own at its first run
    held = hooks_left(model)
    found = counterpart(model, " the cat sat on the dog on", target="cat")
    assert found.swaps and all(check.passed for check in found.checks), found.checks
    assert hooks_left(model) == held and found.reading().title.startswith("Try ")


def test_it_reads_the_position_asked_for(mini, hf_model):
    found = counterpart(mini, DRINK, pos=4, target="and")
    assert max(swap.pos for swap in found.swaps) < 4
    row = plain(hf_model("loupe-mini"), found.tokens.ids).logits[4].softmax(-1)
    assert found.before == pytest.approx(float(row[found.target.token_id]), abs=1e-4)


@pytest.mark.parametrize("prompt", [" dog", "… !!! ???"])
def test_without_a_word_to_exchange_it_says_so(mini, prompt):
    with pytest.raises(InputError, match="exchange a word of your choice") as caught:
        counterpart(mini, prompt)
    assert caught.value.field == "corrupted"


def test_progress_is_told_with_no_hook_active(mini):
    held, told = hooks_left(mini), []

    def progress(done, total, partial=None):
        told.append((done, total))
        assert hooks_left(mini) == held

    found = counterpart(mini, DRINK, progress=progress)
    assert told[-1] == (len(found.swaps) + 1,) * 2


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        (TEXAS, "Texas"),
        ("The capital of Spain is", "Spain"),
        (DRINK, "Mary"),
        ("Hello", "Hello"),
        ("El perro come en la casa", "perro"),
    ],
)
def test_a_fact_is_whole_words_where_an_edit_looks_for_them(mini, prompt, subject):
    found = counterpart(mini, prompt)
    words, answer = found.fact
    assert words == subject and prompt.count(words) == 1
    assert answer in {swap.prediction for swap in found.swaps} - {found.target.text}
