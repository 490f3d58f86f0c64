"""Steering against plain transformers with a plain torch hook, and the promises: strength 0, BOS, no hook left."""

import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses import steering as module
from mi_core.analyses.steering import steering
from mi_core.directions.push import PushSpec, steering_vectors
from mi_core.directions.steering_vector import steering_hooks
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.saes.loading import load_sae
from mi_core.text import side_by_side
from tests.core.plain_steering import Steered, assert_shift, mean_norm
from tests.core.sae_folders import topk_encode, weights_of

MINI_SAE = "models/loupe-mini/saes/blocks.2.hook_resid_pre"
PROMPT = "This movie was"
POSITIVE = "I loved it.\nThis was wonderful.\n"
NEGATIVE = "I hated it.\n\nThis was terrible."


def _active_hooks(model) -> int:
    return sum(len(part._forward_hooks) for part in model.bridge.original_model.modules())


def test_a_feature_of_the_built_in_model(mini, hf_model, request):
    hf = hf_model("loupe-mini")
    result = steering(mini, PROMPT, direction="feature:757", strength=0.6, max_new_tokens=15)
    ids = list(result.tokens.ids)
    row = weights_of(request.config.rootpath / MINI_SAE)["W_dec"][757]
    norm = mean_norm(hf, ids, 2)
    (one,) = result.pushes
    assert (one.layer, one.feature, one.sae) == (2, 757, hooks.resid_pre(2))
    assert one.scale == pytest.approx(norm, rel=1e-4)
    steered = Steered(hf, 2, 0.6 * norm * row / row.norm(), first=1)
    plain = Steered(hf, 2, torch.zeros_like(row), first=1)
    assert_shift(result, plain.logits(ids), steered.logits(ids))
    for text, reference in zip(result.texts, (plain, steered), strict=True):
        written = reference.greedy(ids, 15)
        assert text.text == mini.tokenizer.decode(written)
        assert text.n_tokens == len(written)
    assert result.texts[0].text != result.texts[1].text
    assert all(check.passed for check in result.checks)
    assert result.checks[0].tolerance == 0


@pytest.mark.parametrize("positions", ["all", "prompt", "new"])
def test_every_architecture(architecture, positions, with_sae, hf_model):
    """An SAE behind block 0 steers before block 1; the rows of an SAE whose activations carry the length are units."""
    model, hf = with_sae(architecture), hf_model(architecture)
    prompt = " the cat sat on the dog"
    result = steering(
        model, prompt, direction="feature:5", strength=-0.7, positions=positions, max_new_tokens=8, prepend_bos=True
    )
    ids = list(result.tokens.ids)
    row = weights_of(Path(model.id) / "saes" / hooks.resid_post(0))["W_dec"][5]
    vector = -0.7 * mean_norm(hf, ids, 1) * row / row.norm()
    first, last = {"all": (1, math.inf), "prompt": (1, len(ids) - 1), "new": (len(ids) - 1, math.inf)}[positions]
    reference = Steered(hf, 1, vector, first, last)
    assert result.pushes[0].layer == 1
    assert_shift(result, Steered(hf, 1, vector, 10**6).logits(ids), reference.logits(ids))
    written = reference.greedy(ids, 8)
    whole, before = model.tokenizer.decode(ids + written), model.tokenizer.decode(ids)
    assert result.texts[1].n_tokens == len(written)
    assert result.texts[1].text == whole[len(before) :].removesuffix("\ufffd")
    assert all(check.passed for check in result.checks), result.checks


def test_a_sum_of_directions_on_every_architecture(architecture, with_sae, hf_model):
    """Two at one place and one at another, each with its own strength."""
    model, hf = with_sae(architecture), hf_model(architecture)
    generator = torch.Generator().manual_seed(1)
    others = [(1, torch.randn(model.d_model, generator=generator), 0.4), (2, torch.randn(model.d_model), -0.6)]
    also = [
        {"direction": "vector", "vector": ", ".join(map(str, vector.tolist())), "layer": layer, "strength": strength}
        for layer, vector, strength in others
    ]
    options = {"direction": "feature:5", "strength": 0.5, "max_new_tokens": 8, "prepend_bos": True}
    result = steering(model, " the cat sat on", **options, also=tuple(map(json.dumps, also)))
    ids = list(result.tokens.ids)
    row = weights_of(Path(model.id) / "saes" / hooks.resid_post(0))["W_dec"][5]
    reference = Steered(
        hf, 1, 0.5 * mean_norm(hf, ids, 1) * row / row.norm(), 1,
        others=[(at, strength * mean_norm(hf, ids, at) * vec / vec.norm()) for at, vec, strength in others],
    )  # fmt: skip
    assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], reference.logits(ids))
    assert result.texts[1].n_tokens == len(reference.greedy(ids, 8))
    assert (
        result.texts[1].text
        == steering(model, " the cat sat on", **options, also=tuple(map(json.dumps, also[::-1]))).texts[1].text
    )
    assert [one.layer for one in result.pushes] == [1, 1, 2]
    assert all(check.passed for check in result.checks), result.checks
    alone = steering(model, " the cat sat on", **options)
    assert np.abs(alone.shift.logits[1] - result.shift.logits[1]).max() > 1e-2


@pytest.mark.parametrize("positions", ["all", "prompt", "new"])
def test_a_clamped_feature_on_every_architecture(architecture, positions, with_sae, hf_model):
    """x + (k · largest − f) · d at each position, f read by hand; all else that the residual holds stays."""
    model, hf = with_sae(architecture), hf_model(architecture)
    prompt = " the cat sat on the dog"
    result = steering(
        model, prompt, direction="feature:7", operation="clamp", strength=1.5, largest=4.0, positions=positions,
        max_new_tokens=8, prepend_bos=True,
    )  # fmt: skip
    weights = weights_of(Path(model.id) / "saes" / hooks.resid_post(0))
    unit = weights["W_dec"][7] / weights["W_dec"][7].norm()

    def clamped(x):
        return (1.5 * 4.0 - topk_encode(x, weights, 6)[:, 7, None]) * unit

    ids = list(result.tokens.ids)
    first, last = {"all": (1, math.inf), "prompt": (1, len(ids) - 1), "new": (len(ids) - 1, math.inf)}[positions]
    reference = Steered(hf, 1, clamped, first, last)
    assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], reference.logits(ids))
    written = reference.greedy(ids, 8)
    assert result.texts[1].n_tokens == len(written)
    whole, before = model.tokenizer.decode(ids + written), model.tokenizer.decode(ids)
    assert result.texts[1].text == whole[len(before) :].removesuffix("\ufffd")
    assert (result.pushes[0].hook, result.pushes[0].scale, result.pushes[0].scale_from) == (
        hooks.resid_post(0), 4.0, "as given",
    )  # fmt: skip
    assert all(check.passed for check in result.checks), result.checks
    assert "its own value" in result.checks[-1].name
    added = steering(model, prompt, direction="feature:7", strength=1.5, max_new_tokens=1, prepend_bos=True)
    assert added.kl != pytest.approx(result.kl, rel=1e-3)


@pytest.mark.parametrize("positions", ["all", "prompt", "new"])
def test_a_direction_is_held_on_every_architecture(architecture, positions, with_sae, hf_model):
    """x + (goal − x · u) u at each position."""
    model, hf = with_sae(architecture), hf_model(architecture)
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(2))
    result = steering(
        model, " the cat sat on the dog", direction="vector", vector=", ".join(map(str, vector.tolist())), layer=1,
        operation="hold", strength=-0.4, positions=positions, max_new_tokens=8, prepend_bos=True,
    )  # fmt: skip
    ids, unit = list(result.tokens.ids), vector / vector.norm()
    goal = -0.4 * mean_norm(hf, ids, 1)
    first, last = {"all": (1, math.inf), "prompt": (1, len(ids) - 1), "new": (len(ids) - 1, math.inf)}[positions]
    reference = Steered(hf, 1, lambda x: (goal - x @ unit)[:, None] * unit, first, last)
    assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], reference.logits(ids))
    assert result.texts[1].n_tokens == len(reference.greedy(ids, 8))
    assert all(check.passed for check in result.checks) and "is held" in result.checks[-1].name


KINDS = [
    {"direction": "feature:757"},
    {"direction": "token:happy"},
    {"direction": "contrast", "positive": POSITIVE, "negative": NEGATIVE},
    {"direction": "probe:sentiment/positive"},
    {"direction": "vector", "vector": ", ".join(str(math.sin(i)) for i in range(128))},
]


@pytest.fixture(scope="module")
def held_vectors(mini):
    """One of every kind, held; and one that is added."""
    wanted = [PushSpec(**kind, layer=2, operation="hold") for kind in KINDS]
    return steering_vectors(mini, mini.tokens(PROMPT), [*wanted, PushSpec("token:movie", layer=2)])


@settings(deadline=None, max_examples=25)
@given(
    kinds=st.lists(st.sampled_from(range(len(KINDS))), min_size=1, max_size=3, unique=True),
    strengths=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
def test_after_the_run_every_projection_is_the_value(mini, held_vectors, kinds, strengths):
    """Of any kind, several at once, and whatever is added beside them at the same place."""
    tokens, name = mini.tokens(PROMPT), hooks.resid_pre(2)
    vectors = [*(held_vectors[one] for one in kinds), held_vectors[-1]]
    strengths = [*strengths[: len(kinds)], strengths[-1]]
    x = mini.run(tokens, [name])[name]
    after = steering_hooks(vectors, [strengths], "all", tokens)[name](torch.stack([x, x]), 0)
    assert torch.equal(after[0], x) and torch.equal(after[1, 0], x[0]), "the unsteered row, and the start token"
    longest = float(x.norm(dim=-1).max())
    for one, by in list(zip(vectors, strengths, strict=True))[:-1]:
        assert float((after[1, 1:] @ one.direction.unit - by * one.scale).abs().max()) <= 1e-5 * longest
    units = torch.stack([one.direction.unit for one in vectors])
    rest = (after[1] - x) - (after[1] - x) @ torch.linalg.pinv(units) @ units
    assert float(rest.norm(dim=-1).max()) <= 1e-4 * longest, "what is orthogonal to all of them stays"


def test_directions_that_are_held_have_to_differ(mini):
    also = (json.dumps({"direction": "feature:757", "operation": "hold", "strength": 0.1}),)
    with pytest.raises(InputError, match="have to differ, and two of these do not"):
        steering(mini, PROMPT, direction="feature:757", operation="hold", also=also)
    elsewhere = (json.dumps({"direction": "feature:757", "operation": "hold", "strength": 0.1, "layer": 3}),)
    assert steering(mini, PROMPT, direction="feature:757", operation="hold", also=elsewhere, max_new_tokens=1).kl > 0


def test_clamping_to_nothing_what_is_silent_is_the_unsteered_run(mini):
    """A feature that does not fire on the prompt, switched off."""
    sae = load_sae(mini, hooks.resid_pre(2))
    x = mini.run(mini.tokens(PROMPT), [sae.hook])[sae.hook]
    silent = int((sae.encode(x)[1:].amax(0) == 0).nonzero()[0])
    result = steering(
        mini, PROMPT, direction=f"feature:{silent}", sae=sae.hook, operation="clamp", strength=0, positions="prompt",
        largest=1.0,
    )  # fmt: skip
    assert result.kl == 0
    assert result.texts[0].text == result.texts[1].text


def test_strength_zero_is_the_unsteered_run(architecture, with_sae):
    model = with_sae(architecture)
    result = steering(model, " the cat", direction="feature:0", strength=0, temperature=1.0, seed=4, max_new_tokens=12)
    assert result.texts[0].text == result.texts[1].text
    assert result.kl == 0
    np.testing.assert_array_equal(result.shift.logits[0], result.shift.logits[1])
    assert result.checks[0].error == 0
    assert "nothing changes" in result.reading().title


def test_the_check_notices_a_touched_row(mini, monkeypatch):
    """A hook that also moves the row that must stay as it is."""
    monkeypatch.setattr(
        module.steering_vector, "steering_hooks", lambda vectors, *_: {vectors[0].hook: lambda x, start: x + 1e-3}
    )
    result = steering(mini, PROMPT, direction="feature:757", max_new_tokens=1)
    assert not result.checks[0].passed


def test_last_layer_can_be_steered(mini, hf_model):
    """Layer n_layers is the model's output: only the final norm and the unembedding are left."""
    hf = hf_model("loupe-mini")
    result = steering(mini, PROMPT, direction="feature:757", layer=mini.n_layers, strength=2, max_new_tokens=1)
    ids = torch.tensor([result.tokens.ids])
    kept = []
    handle = hf.transformer.ln_f.register_forward_pre_hook(lambda module, args: kept.append(args[0][0]))
    before = hf(ids).logits[0, -1]
    handle.remove()
    unit = torch.nn.functional.normalize(load_sae(mini).W_dec[757], dim=-1)
    norm = float(kept[0][1:].norm(dim=-1).mean())
    after = hf.lm_head(hf.transformer.ln_f(kept[0][-1] + 2 * norm * unit))
    assert_shift(result, before, after)


def test_progress_streams_both_texts_with_no_hook_active(mini):
    heard, before = [], _active_hooks(mini)

    def progress(done, total, partial=None):
        heard.append((done, total, partial))
        assert _active_hooks(mini) == before

    result = steering(mini, PROMPT, direction="feature:757", max_new_tokens=5, progress=progress)
    assert [(done, total) for done, total, _ in heard] == [(i, 5) for i in range(1, 6)]
    assert heard[-1][2] == tuple(text.text for text in result.texts)
    for (_, _, shorter), (_, _, longer) in pairwise(heard):
        assert all(new.startswith(old) for old, new in zip(shorter, longer, strict=True))


@pytest.mark.parametrize("stop_at", [1, 3])
@pytest.mark.parametrize("direction", ["feature:757", "contrast"])
def test_cancelling_leaves_no_hook(mini, stop_at, direction):
    class Cancelled(Exception):
        pass

    calls, before = [], _active_hooks(mini)

    def progress(*told):
        calls.append(told)
        if len(calls) == stop_at:
            raise Cancelled

    with pytest.raises(Cancelled):
        steering(mini, PROMPT, direction=direction, positive=POSITIVE, negative=NEGATIVE, progress=progress)
    assert _active_hooks(mini) == before
    plain = steering(mini, PROMPT, direction="feature:757", strength=0, max_new_tokens=1)
    assert plain.checks[1].passed


def test_same_seed_same_texts(mini):
    options = {"direction": "feature:757", "temperature": 1.0, "max_new_tokens": 15}
    first = steering(mini, PROMPT, seed=7, **options)
    assert first.texts == steering(mini, PROMPT, seed=7, **options).texts
    assert first.texts[0].text != steering(mini, PROMPT, seed=8, **options).texts[0].text


def test_a_text_that_ends_in_a_loop_repeats_itself():
    words, loop = tuple(range(15)), (7,) * 15
    assert side_by_side.repeats(words + loop) and side_by_side.repeats(loop)
    assert not side_by_side.repeats(loop + words) and not side_by_side.repeats((7,) * 9)


def test_notes_say_when_a_strength_breaks_the_model(mini):
    assert steering(mini, PROMPT, direction="feature:757", strength=0.4).notes == ()
    repeated = steering(mini, PROMPT, direction="feature:757", strength=6)
    assert any("repeats itself" in note for note in repeated.notes)
    assert repeated.reading().sentences[0] == repeated.notes[0]
    broken = steering(mini, "The capital of Texas is", direction="feature:757", strength=3, max_new_tokens=4)
    assert broken.texts[1].perplexity > 4 * broken.texts[0].perplexity
    assert any("times as surprising" in note for note in broken.notes)


def test_tables_and_readings(mini):
    result = steering(mini, PROMPT, direction="feature:757", top_k=4, max_new_tokens=3)
    tables = result.tables()
    shift = tables["shift"]
    assert len(shift) == 8
    assert (shift.change.diff().dropna() <= 0).all()
    np.testing.assert_allclose(shift.change, shift.probability_after - shift.probability_before)
    assert tables["texts"].which.tolist() == ["unsteered", "steered"]
    assert tables["texts"].n_tokens.tolist() == [3, 3]
    reading = result.reading()
    assert len(reading.title) <= 90
    assert 1 <= len(reading.sentences) <= 3
    assert f"{result.kl:.2f} bits" in reading.sentences[1]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("part", [{"texts": ()}, {"pushes": ()}, {"kl": math.nan}, {"kl": -0.1}])
def test_a_result_whose_parts_do_not_fit_is_refused(mini, part):
    result = steering(mini, PROMPT, direction="feature:757", max_new_tokens=1)
    with pytest.raises(ValueError, match="pushes"):
        dataclasses.replace(result, **part)
    with pytest.raises(ValueError, match="only a feature can be clamped"):
        dataclasses.replace(result.pushes[0], operation="clamp", feature=None)


def test_a_prompt_that_fills_the_context_still_shifts(mini):
    prompt = " the" * (mini.n_ctx - 1)
    result = steering(mini, prompt, direction="feature:757", max_new_tokens=10)
    assert result.texts[0].n_tokens <= 1
    assert any("context ends" in note for note in result.notes)
