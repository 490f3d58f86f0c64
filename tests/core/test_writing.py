"""What a model writes, against transformers' own generation; what is inside a step, against the prompt up to it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.attribution import attribution
from mi_core.analyses.features import features
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.writing import writing
from mi_core.errors import InputError
from mi_core.text.generation import stop_ids
from tests.core.plain_reference import plain

PROMPT = " the cat sat on"
FACT = "The capital of Texas is"


def test_the_likeliest_text_is_that_of_transformers(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    ids = torch.tensor([model.tokens(PROMPT).ids])
    reference = hf.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0
    )
    found = writing(model, PROMPT, max_new_tokens=12)
    expected = [token for token in reference[0, ids.shape[1] :].tolist() if token not in stop_ids(model)]
    assert list(found.tokens.ids[found.n_prompt :]) == expected
    whole = plain(hf, [*ids[0].tolist(), *expected])
    rows = whole.logits[len(ids[0]) - 1 : -1].double().log_softmax(-1)
    written = rows.gather(-1, torch.tensor(expected)[:, None])[:, 0]
    np.testing.assert_allclose(found.surprisal, -written / math.log(2), atol=1e-4)
    np.testing.assert_allclose(
        found.entropy, torch.distributions.Categorical(logits=rows).entropy() / math.log(2), atol=1e-4
    )
    np.testing.assert_allclose(found.guess_probability, rows.exp().topk(5).values, atol=1e-5)
    assert all(check.passed for check in found.checks), found.checks


def test_inside_a_step_is_what_the_prompt_up_to_it_shows(architecture, with_sae):
    """Lens, heads and features of a step, against the analyses of the prompt that ends before its token."""
    model = with_sae(architecture)
    found = writing(model, PROMPT, max_new_tokens=5, temperature=1.0, seed=4, top_k=4)
    tables = found.tables()
    read_alike = [True, *found.rereads]  # random text is often joined into other tokens when it is read anew
    first, texts = found.n_prompt, found.tokens.texts
    compared = [pos for pos in range(first, len(texts)) if read_alike[pos - first] and not texts[pos].startswith("⟨id")]
    assert compared
    for pos in compared:
        step = pos - first
        prompt = PROMPT + ("" if step == 0 else found.so_far[step - 1])
        word = {"target": f'"{texts[pos]}"'}
        lens, rows = logit_lens(model, prompt, **word), tables["lens"][tables["lens"]["pos"] == pos]
        there = lens.tables()["lens"].query("pos == @lens.pos and rank == 1")
        np.testing.assert_array_equal(rows["prediction"], there["prediction"])
        np.testing.assert_allclose(rows["target_probability"], lens.target_probability[:, -1], rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(rows["target_rank"], lens.target_rank[:, -1])
        np.testing.assert_allclose(rows["entropy"], lens.entropy[:, -1], atol=1e-4)
        np.testing.assert_allclose(rows["kl_to_final"], lens.kl_to_final[:, -1], atol=1e-4)
        parts = attribution(model, prompt, **word).tables()["contributions"].query("kind == 'head'")
        parts = parts.sort_values("contribution", key=abs, ascending=False).head(4)
        heads = tables["heads"][tables["heads"]["pos"] == pos]
        np.testing.assert_allclose(heads["contribution"], parts["contribution"], atol=1e-4)
        assert heads["component"].iloc[0] == parts["component"].iloc[0]
        theirs = features(model, prompt, top_k=4)
        np.testing.assert_array_equal(found.feature_ids[step], theirs.feature_ids[-1])
        np.testing.assert_allclose(found.activations[step], theirs.activations[-1], atol=1e-4)


@settings(max_examples=6, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=20).filter(str.strip), seed=st.integers(0, 99))
def test_what_must_hold_for_any_prompt_and_seed(mini, prompt, seed):
    first, again = (writing(mini, prompt, max_new_tokens=6, temperature=1.5, seed=seed) for _ in range(2))
    assert first.tokens == again.tokens
    assert all(check.passed for check in first.checks)
    assert (np.abs(first.head_contribution[:, :-1]) >= np.abs(first.head_contribution[:, 1:])).all()
    top = first.guess_ids[:, 0] == first.tokens.ids[first.n_prompt :]
    np.testing.assert_array_equal(top, first.rank == 1)
    assert first.text == "".join(first.tokens.texts[first.n_prompt :]) or not first.rereads[-1]


def test_other_seeds_write_other_texts(mini):
    texts = {writing(mini, FACT, temperature=1.5, seed=seed).text for seed in range(3)}
    assert len(texts) == 3


def test_the_text_grows_while_it_is_written(mini):
    seen = []
    found = writing(mini, FACT, max_new_tokens=4, progress=lambda *report: seen.append(report))
    assert seen == [(n + 1, 4, text) for n, text in enumerate(found.so_far)]


def test_it_ends_with_the_context_and_says_so(tiny_model):
    model = tiny_model("neox")
    found = writing(model, " cat" * 60, max_new_tokens=30, prepend_bos=False)
    assert len(found.tokens) == model.n_ctx + 1
    assert "The text ends where the model's context ends." in found.reading().sentences
    assert not found.rereads[-1]


def test_the_first_sentence_says_what_was_written_and_where_it_was_least_sure(mini):
    found = writing(mini, FACT)
    steps = found.tables()["steps"]
    least = steps.loc[steps["entropy"].idxmax()]
    assert found.reading().title.startswith("It writes “Austin. ")
    assert found.reading().title.endswith(f"is least sure at “·{least.token.strip()}” (position {least.pos})")
    assert f"{least.probability:.1%}" in found.about(least.pos)[0]


def test_a_model_without_sparse_autoencoders_shows_the_rest(tiny_model):
    found = writing(tiny_model("llama"), PROMPT, max_new_tokens=2)
    assert found.sae is None and found.tables()["features"].empty and not found.tables()["heads"].empty


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0: choose 1 to 500", "max_new_tokens"),
        ({"temperature": -1.0}, "The temperature is -1.0", "temperature"),
        ({"top_k": 0}, "top_k is 0", "top_k"),
        ({"sae": "nowhere"}, "There is no SAE at “nowhere”", "sae"),
        ({"prompt": " "}, "The prompt is empty", "prompt"),
    ],
)
def test_bad_settings_get_a_sentence(mini, given, message, field):
    with pytest.raises(InputError, match=message) as caught:
        writing(mini, **{"prompt": FACT} | given)
    assert caught.value.field == field
