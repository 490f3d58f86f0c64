"""A sweep of strengths against single runs, plain transformers with a plain hook, and its own rules."""

import dataclasses
import functools
import json
import math

import numpy as np
import pytest
import torch

from mi_core.analyses.steering import steering
from mi_core.analyses.steering_sweep import steering_sweep
from mi_core.errors import InputError
from mi_core.text.generation import perplexities
from tests.core.plain_hooks import blocks

PROMPT = "This movie was"
STRENGTHS = (-0.6, 0.0, 0.3, 0.8)


@pytest.fixture(scope="module")
def sweep(mini):
    """sweep(**options): of one feature, each computed once."""

    @functools.cache
    def run(**options):
        return steering_sweep(mini, PROMPT, **{"direction": "feature:757", "strengths": STRENGTHS} | options)

    return run


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_batch_of_strengths_writes_what_single_runs_write(mini, sweep, temperature):
    result = sweep(temperature=temperature, seed=5)
    for strength, text, kl in zip(result.strengths, result.texts, result.kl, strict=True):
        single = steering(
            mini, PROMPT, direction="feature:757", strength=float(strength), max_new_tokens=20,
            temperature=temperature, seed=5,
        )  # fmt: skip
        assert text.text == single.texts[1].text
        assert text.perplexity == pytest.approx(single.texts[1].perplexity, rel=1e-3)
        assert kl == pytest.approx(single.kl, abs=1e-4)
        assert result.unsteered.text == single.texts[0].text
    assert len({text.text for text in result.texts}) > 2


def test_strength_zero_is_the_unsteered_row(sweep):
    result = sweep()
    zero = STRENGTHS.index(0.0)
    assert result.texts[zero].text == result.unsteered.text
    assert result.kl[zero] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(result.probability[zero], result.unsteered_probability, atol=1e-6)
    assert all(check.passed for check in result.checks), result.checks
    assert result.checks[0].tolerance == 0


def test_every_architecture_against_a_plain_hook(architecture, tiny_model, hf_model):
    """The next token's probabilities and KL at each strength, and the texts of a loop that reads everything anew."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2))
    result = steering_sweep(
        model, " the cat sat on", direction="vector", vector=json.dumps(vector.tolist())[1:-1], layer=1,
        strengths=STRENGTHS, max_new_tokens=6, target="dog", foil="cat", prepend_bos=True,
    )  # fmt: skip
    ids = list(result.tokens.ids)
    norm = hf(torch.tensor([ids]), output_hidden_states=True).hidden_states[1][0, 1:].norm(dim=-1).mean()
    before = _logits(hf, ids, 0 * vector).log_softmax(-1)
    assert result.token_texts[:2] == (" dog", " cat")
    for row, strength in enumerate(STRENGTHS):
        push = strength * norm * vector / vector.norm()
        after = _logits(hf, ids, push).log_softmax(-1)
        np.testing.assert_allclose(result.probability[row], after.exp()[result.token_ids], atol=1e-4)
        kl = float((after.exp() * (after - before)).sum() / math.log(2))
        assert result.kl[row] == pytest.approx(kl, rel=1e-3, abs=1e-5)
        written = []
        while len(written) < 6 and (token := int(_logits(hf, ids + written, push).argmax())) != 0:
            written.append(token)
        assert result.texts[row].n_tokens == len(written)
        if written:
            expected = hf(torch.tensor([ids + written])).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
            surprise = -expected[range(len(written)), written].mean()
            assert result.perplexity[row] == pytest.approx(math.exp(surprise), rel=1e-3)
    assert all(check.passed for check in result.checks), result.checks


def _logits(hf, ids, vector):
    def push(block, args, kwargs):
        x = (args[0] if args else kwargs["hidden_states"]).clone()
        x[:, 1:] += vector
        return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

    handle = blocks(hf)[1].register_forward_pre_hook(push, with_kwargs=True)
    try:
        return hf(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    finally:
        handle.remove()


def test_further_directions_keep_their_strength(mini, sweep):
    also = ('{"direction": "token:good", "strength": 0.4, "layer": 3}',)
    result = sweep(also=also)
    for strength, text in zip(STRENGTHS, result.texts, strict=True):
        single = steering(mini, PROMPT, direction="feature:757", strength=strength, also=also, max_new_tokens=20)
        assert text.text == single.texts[1].text
    assert [text.text for text in result.texts] != [text.text for text in sweep().texts]


def test_clamps_are_swept_too(mini, sweep):
    result = sweep(operation="clamp", strengths=(0.0, 1.0, 2.0))
    single = steering(mini, PROMPT, direction="feature:757", operation="clamp", strength=2, max_new_tokens=20)
    assert result.texts[2].text == single.texts[1].text
    assert result.scale == single.pushes[0].scale
    assert "its own value" in result.checks[-1].name and result.checks[-1].error == 0


def test_a_text_that_breaks_is_marked(sweep):
    result = sweep(strengths=(0.3, 3.0, 8.0))
    assert result.states[0] == "fine"
    assert set(result.states[1:]) <= {"too surprising", "repeats itself"}
    for state, surprise in zip(result.states, result.perplexity, strict=True):
        assert (state == "too surprising") == (surprise > 4 * result.unsteered.perplexity)
    assert "1 of 3 strengths, at 0.3" in result.reading().title
    assert f"{result.limit:,.1f}" in result.reading().sentences[-1]
    assert "try a smaller one" in sweep(strengths=(8.0,)).reading().title
    assert sweep(strengths=(0.0,)).reading().sentences[0].endswith("odds do not move.")


def test_followed_tokens(mini, sweep):
    """The answer (the top guess unless told), what it is compared with, and the one that gains most."""
    result = sweep()
    assert result.token_ids[0] == int(mini.run(mini.tokens(PROMPT)).logits[-1].argmax())
    assert result.target.token_id == result.token_ids[0]
    told = sweep(target="good", foil="bad")
    assert told.token_texts[:2] == (" good", " bad")
    gains = (told.probability - told.unsteered_probability).max(0)
    assert gains.argmax() == len(gains) - 1 or len(told.token_ids) == 2


def test_tables_and_reading(sweep):
    result = sweep()
    tables = result.tables()
    assert tables["sweep"].strength.tolist() == list(STRENGTHS)
    assert {"kl", "probability", "perplexity", "state", "text"} <= set(tables["sweep"])
    long = tables["probabilities"]
    assert len(long) == len(STRENGTHS) * len(result.token_ids)
    again = long.pivot(index="strength", columns="token_id", values="probability")
    np.testing.assert_allclose(again.loc[list(STRENGTHS), list(result.token_ids)], result.probability)
    assert len(result.reading().title) <= 90


def test_progress_tells_every_token_with_no_hook_active(mini):
    heard = []
    before = sum(len(part._forward_hooks) for part in mini.bridge.original_model.modules())

    def progress(done, total, partial=None):
        heard.append((done, total, len(partial)))
        assert sum(len(part._forward_hooks) for part in mini.bridge.original_model.modules()) == before

    steering_sweep(
        mini, PROMPT, direction="feature:757", strengths=(0.1, 0.2), max_new_tokens=3, progress=progress
    )  # fmt: skip
    assert heard == [(1, 3, 3), (2, 3, 3), (3, 3, 3)]


def test_perplexities_of_rows_of_different_length(mini):
    prompt = mini.tokens(PROMPT).ids
    rows = [mini.tokens(text, prepend_bos=False).ids for text in (" good. I liked it", " bad", " the the the")]
    together = perplexities(mini, prompt, [*rows, ()])
    assert together[:3] == pytest.approx([perplexities(mini, prompt, [row])[0] for row in rows], rel=1e-4)
    assert math.isnan(together[3])


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"strengths": ()}, "strengths", "There are 0 strengths: give 1 to 33"),
        ({"strengths": (0.1,) * 34}, "strengths", "There are 34 strengths"),
        ({"strengths": (0.1, math.nan)}, "strengths", "The strength is nan: choose a number"),
        ({"strengths": (0.1, "much")}, "strengths", "The strength is much"),
        ({"target": "Constantinople"}, "target", "tokens for this model"),
        ({"direction": "up"}, "direction", "is no direction"),
        ({"max_new_tokens": 0}, "max_new_tokens", "choose 1 to 500"),
        ({"positions": "some"}, "positions", "use all, prompt or new"),
    ],
)
def test_bad_settings(mini, options, field, message):
    with pytest.raises(InputError, match=message) as caught:
        steering_sweep(mini, PROMPT, **{"direction": "feature:757"} | options)
    assert caught.value.field == field


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("part", ["strengths", "kl", "probability", "texts", "token_texts"])
def test_a_result_whose_parts_do_not_fit_is_refused(mini, part):
    result = steering_sweep(mini, PROMPT, direction="feature:757", strengths=(0.0, 0.5), max_new_tokens=1)
    with pytest.raises(ValueError, match="strengths and"):
        dataclasses.replace(result, **{part: getattr(result, part)[:1]})
