"""Steering against plain transformers with a plain torch hook, and the promises: strength 0, BOS, no hook left."""

import functools
import json
import math
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_core.analyses import steering as module
from mi_core.analyses.steering import steering
from mi_core.directions import spec
from mi_core.directions.direction import Direction, token_direction
from mi_core.directions.steering_vector import SteeringVector, clamping, edits
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import Notes, contexts, notes
from mi_core.text import side_by_side
from mi_core.text.sentences import sentences
from tests.core.sae_folders import save_sae, topk_encode, weights_of

MINI_SAE = "models/loupe-mini/saes/blocks.2.hook_resid_pre"
PROMPT = "This movie was"
POSITIVE = "I loved it.\nThis was wonderful.\n"
NEGATIVE = "I hated it.\n\nThis was terrible."


@pytest.fixture(scope="module")
def with_sae(tiny_folder, tmp_path_factory):
    """with_sae(name): the tiny model of that architecture with an SAE at resid_post of its block 0."""

    @functools.cache
    def open_model(name: str):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("sae") / name)
        save_sae(folder, hooks.resid_post(0), "topk")
        return load(str(folder))

    return open_model


@pytest.fixture(scope="module")
def scaled(tiny_folder, tmp_path_factory):
    """scaled(normalize): an SAE of a tiny model that gives its input that scale."""

    @functools.cache
    def open_sae(normalize: str):
        folder = copytree(tiny_folder("gpt2"), tmp_path_factory.mktemp("scaled") / normalize)
        save_sae(folder, hooks.resid_post(0), normalize=normalize)
        return load_sae(load(str(folder)))

    return open_sae


def _active_hooks(model) -> int:
    return sum(len(part._forward_hooks) for part in model.bridge.original_model.modules())


def _blocks(hf):
    body = hf.base_model
    return body.h if hasattr(body, "h") else body.layers


class _Plain:
    """What a person would write with transformers alone: a forward hook, the whole text read anew for each token.

    `vector` is what is added before block `layer`, or a function of the residuals [pos, d_model] that gives it;
    `others` are further (layer, vector) pairs.
    """

    def __init__(self, hf, layer: int, vector, first: int, last: float = math.inf, others=()) -> None:
        self.hf, self.first, self.last = hf, first, last
        self.pushes = [(layer, vector), *others]

    def logits(self, ids: list[int]) -> torch.Tensor:
        def push(block, args, kwargs, vectors):
            x = args[0] if args else kwargs["hidden_states"]
            pos = torch.arange(x.shape[1])
            chosen = ((pos >= self.first) & (pos <= self.last))[:, None]
            x = x + sum(chosen * (vector(x[0]) if callable(vector) else vector) for vector in vectors)
            return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

        handles = []
        for layer in {layer for layer, _ in self.pushes}:
            here = functools.partial(push, vectors=[vector for each, vector in self.pushes if each == layer])
            handles.append(_blocks(self.hf)[layer].register_forward_pre_hook(here, with_kwargs=True))
        try:
            return self.hf(torch.tensor([ids]), use_cache=False).logits[0, -1]
        finally:
            for handle in handles:
                handle.remove()

    def greedy(self, ids: list[int], n: int) -> list[int]:
        written: list[int] = []
        for _ in range(n):
            token = int(self.logits([*ids, *written]).argmax())
            if token == 0:  # end of text
                break
            written.append(token)
        return written


def _mean_norm(hf, ids, layer: int) -> float:
    states = hf(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    return float(states[1:].norm(dim=-1).mean())


def _assert_shift(result, before: torch.Tensor, after: torch.Tensor) -> None:
    p, q = before.double().softmax(-1), after.double().softmax(-1)
    ids = result.shift_ids
    np.testing.assert_allclose(result.logit_before, before[ids], atol=5e-4, rtol=1e-4)
    np.testing.assert_allclose(result.logit_after, after[ids], atol=5e-4, rtol=1e-4)
    np.testing.assert_allclose(result.probability_before, p[ids], atol=1e-4)
    np.testing.assert_allclose(result.probability_after, q[ids], atol=1e-4)
    assert result.kl == pytest.approx(float((q * (q / p).log2()).sum()), rel=1e-3, abs=1e-5)
    change = q - p
    shown = result.probability_after - result.probability_before
    assert shown[0] == pytest.approx(float(change.max()), abs=1e-4)
    assert shown[-1] == pytest.approx(float(change.min()), abs=1e-4)


def test_a_feature_of_the_built_in_model(mini, hf_model, request):
    hf = hf_model("loupe-mini")
    result = steering(mini, PROMPT, direction="feature:757", strength=0.6, max_new_tokens=15)
    ids = list(result.tokens.ids)
    row = weights_of(request.config.rootpath / MINI_SAE)["W_dec"][757]
    norm = _mean_norm(hf, ids, 2)
    (push,) = result.pushes
    assert (push.layer, push.feature, push.sae) == (2, 757, hooks.resid_pre(2))
    assert push.scale == pytest.approx(norm, rel=1e-4)
    steered = _Plain(hf, 2, 0.6 * norm * row / row.norm(), first=1)
    plain = _Plain(hf, 2, torch.zeros_like(row), first=1)
    _assert_shift(result, plain.logits(ids), steered.logits(ids))
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
    vector = -0.7 * _mean_norm(hf, ids, 1) * row / row.norm()
    first, last = {"all": (1, math.inf), "prompt": (1, len(ids) - 1), "new": (len(ids) - 1, math.inf)}[positions]
    reference = _Plain(hf, 1, vector, first, last)
    assert result.pushes[0].layer == 1
    _assert_shift(result, _Plain(hf, 1, vector, 10**6).logits(ids), reference.logits(ids))
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
    reference = _Plain(
        hf, 1, 0.5 * _mean_norm(hf, ids, 1) * row / row.norm(), 1,
        others=[(at, strength * _mean_norm(hf, ids, at) * vec / vec.norm()) for at, vec, strength in others],
    )  # fmt: skip
    _assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], reference.logits(ids))
    assert result.texts[1].n_tokens == len(reference.greedy(ids, 8))
    assert (
        result.texts[1].text
        == steering(model, " the cat sat on", **options, also=tuple(map(json.dumps, also[::-1]))).texts[1].text
    )
    assert [push.layer for push in result.pushes] == [1, 1, 2]
    assert all(check.passed for check in result.checks), result.checks
    alone = steering(model, " the cat sat on", **options)
    assert np.abs(alone.logit_after - result.logit_after).max() > 1e-2


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
    reference = _Plain(hf, 1, clamped, first, last)
    _assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], reference.logits(ids))
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


@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm_rescale"])
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), feature=st.integers(0, 47), goal=st.floats(0, 20))
def test_clamping_changes_one_feature_and_keeps_the_error_term(scaled, normalize, seed, feature, goal):
    """Its own value: nothing, bit for bit. Another: the decoded change, whatever scale the SAE gives its input."""
    sae = scaled(normalize)
    x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(seed)) * 3
    own = sae.encode(x)[..., feature]
    assert (x + clamping(sae, feature, x, own) == x).all()
    code = sae.encode(x)
    error = x - sae.decode(code, x)
    code[..., feature] = goal
    expected = sae.decode(code, x) + error
    torch.testing.assert_close(x + clamping(sae, feature, x, torch.tensor(goal)), expected, atol=2e-4, rtol=1e-4)


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


def test_where_the_largest_activation_is_known_from(mini, with_sae, monkeypatch):
    options = {"direction": "feature:757", "operation": "clamp", "strength": 1, "max_new_tokens": 1}
    sae = load_sae(mini)
    (noted,) = steering(mini, PROMPT, **options).pushes
    assert noted.scale == notes(sae.entry).of(757).max_activation
    assert noted.scale_from == "in the autoencoder's sample text"
    monkeypatch.setattr(spec, "notes", lambda entry: Notes({}))
    (stored,) = steering(mini, PROMPT, **options).pushes
    assert stored.scale == max(max(context.activations) for context in contexts(sae.entry, 757))
    assert stored.scale_from == "in its stored contexts"
    monkeypatch.undo()
    model = with_sae("gpt2")
    (measured,) = steering(model, " the cat", **options | {"direction": "feature:5"}).pushes
    sentence = model.tokens(sentences(model)[0])
    own = load_sae(model)
    first = own.encode(model.run(sentence, [own.hook])[own.hook])[int(sentence.has_bos) :, 5].max()
    assert measured.scale >= float(first) and measured.scale > 0
    assert measured.scale_from == "in the built-in sentences"
    monkeypatch.setattr(spec, "_measured", lambda *_: 0.0)
    with pytest.raises(InputError, match="never fires in the built-in sentences") as caught:
        steering(model, " the cat", **options | {"direction": "feature:5"})
    assert caught.value.field == "largest"


def test_a_token_is_pushed_along_what_the_output_reads_for_it(mini, hf_model):
    hf = hf_model("loupe-mini")
    result = steering(mini, PROMPT, direction="token:Paris", strength=0.3, max_new_tokens=1)
    (push,) = result.pushes
    assert push.layer == 3 and "“·Paris”" in push.label
    u = hf.lm_head.weight[mini.token_id("Paris")] - hf.lm_head.weight.mean(0)
    direction = u * hf.transformer.ln_f.weight
    direction = direction - direction.mean()
    ids = list(result.tokens.ids)
    vector = 0.3 * _mean_norm(hf, ids, 3) * direction / direction.norm()
    _assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], _Plain(hf, 3, vector, 1).logits(ids))


def test_no_direction_raises_a_token_more_directly(architecture, tiny_model):
    """Its logit less the mean logit, straight through the final norm's linear part: largest along its own direction."""
    model = tiny_model(architecture)
    token = model.token_id("dog")
    own = token_direction(model, "token:dog", None).unit
    others = torch.nn.functional.normalize(torch.randn(500, model.d_model, generator=torch.Generator().manual_seed(0)))
    near = torch.nn.functional.normalize(own + 0.05 * others, dim=-1)
    effects = model.unembed(model.final_norm.linear(torch.cat([own[None], others, near])))
    effects = effects[:, token] - effects.mean(-1)
    assert effects.argmax() == 0


def test_pasted_numbers_are_the_direction_they_spell(mini):
    row = load_sae(mini).W_dec[757]
    options = {"layer": 2, "max_new_tokens": 5}
    expected = steering(mini, PROMPT, direction="feature:757", **options)
    for separator in (",", ", ", ";", "\n", " "):
        text = separator.join(f"{7 * value:.9g}" for value in row.tolist())
        found = steering(mini, PROMPT, direction="vector", vector=text, **options)
        np.testing.assert_allclose(found.logit_after, expected.logit_after, atol=1e-4)
        assert found.texts[1].text == expected.texts[1].text


def test_contrast_is_the_difference_of_mean_last_activations(mini, hf_model):
    hf = hf_model("loupe-mini")

    def mean_last(lines):
        last = []
        for line in lines:
            ids = torch.tensor([[0, *mini.tokenizer.encode(line, add_special_tokens=False)]])
            last.append(hf(ids, output_hidden_states=True).hidden_states[3][0, -1])
        return torch.stack(last).mean(0)

    difference = mean_last(["I loved it.", "This was wonderful."]) - mean_last(["I hated it.", "This was terrible."])
    result = steering(
        mini, PROMPT, direction="contrast", positive=POSITIVE, negative=NEGATIVE, layer=3, max_new_tokens=1
    )
    ids = list(result.tokens.ids)
    vector = 0.5 * _mean_norm(hf, ids, 3) * difference / difference.norm()
    _assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], _Plain(hf, 3, vector, 1).logits(ids))
    assert (result.pushes[0].feature, result.pushes[0].sae) == (None, None)


def test_contrast_is_read_in_the_middle_unless_told(mini):
    result = steering(mini, PROMPT, direction="contrast", positive=POSITIVE, negative=NEGATIVE, max_new_tokens=1)
    assert result.pushes[0].layer == mini.n_layers // 2


def test_strength_zero_is_the_unsteered_run(architecture, with_sae):
    model = with_sae(architecture)
    result = steering(model, " the cat", direction="feature:0", strength=0, temperature=1.0, seed=4, max_new_tokens=12)
    assert result.texts[0].text == result.texts[1].text
    assert result.kl == 0
    np.testing.assert_array_equal(result.logit_before, result.logit_after)
    assert result.checks[0].error == 0
    assert "nothing changes" in result.reading().title


def test_the_check_notices_a_touched_row(mini, monkeypatch):
    """An edit that also moves the row that must stay as it is."""
    monkeypatch.setattr(
        module.steering_vector, "edits", lambda vectors, *_: {vectors[0].hook: lambda x, start: x + 1e-3}
    )
    result = steering(mini, PROMPT, direction="feature:757", max_new_tokens=1)
    assert not result.checks[0].passed


def test_the_start_token_is_never_touched(mini):
    tokens = mini.tokens(PROMPT)
    hook = hooks.resid_pre(1)
    vector = SteeringVector(Direction(torch.ones(mini.d_model), 1, "ones"), hook, 1.0)
    edit = edits([vector], [[1.0]], "all", tokens)[hook]
    x = torch.zeros(2, len(tokens), mini.d_model)
    out = edit(x, 0)
    assert (out[0] == 0).all()
    assert (out[1, 0] == 0).all()
    assert (out[1, 1:] == 1).all()
    without = edits([vector], [[1.0]], "all", mini.tokens(PROMPT, prepend_bos=False))[hook]
    assert (without(x, 0)[1] == 1).all()


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
    _assert_shift(result, before, after)


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


def test_a_prompt_that_fills_the_context_still_shifts(mini):
    prompt = " the" * (mini.n_ctx - 1)
    result = steering(mini, prompt, direction="feature:757", max_new_tokens=10)
    assert result.texts[0].n_tokens <= 1
    assert any("context ends" in note for note in result.notes)


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf, 1e9, "0.5", None, True])
def test_strengths_that_are_no_numbers(mini, strength):
    with pytest.raises(InputError, match="choose a number from −1000 to 1000") as caught:
        steering(mini, PROMPT, direction="feature:757", strength=strength)
    assert caught.value.field == "strength"


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"direction": "feature:1024"}, "direction", "no feature 1024: this SAE has features 0 to 1023"),
        ({"direction": "feature:abc"}, "direction", "names no feature: write feature:123"),
        ({"direction": "feature:-1"}, "direction", "names no feature"),
        ({"direction": "up"}, "direction", "is no direction: write feature:123, token:Paris, contrast, or vector"),
        ({"direction": "feature:1", "layer": 5}, "layer", "no layer 5: choose 0 .* to 4"),
        ({"direction": "feature:1", "sae": "blocks.0.hook_mlp_out"}, "sae", "no SAE at"),
        ({"direction": "feature:1", "positions": "some"}, "positions", "use all, prompt or new"),
        ({"direction": "feature:1", "max_new_tokens": 0}, "max_new_tokens", "choose 1 to 500"),
        ({"direction": "feature:1", "temperature": -0.1}, "temperature", "choose 0"),
        ({"direction": "feature:1", "top_k": 0}, "top_k", "choose a number from 1"),
        ({"direction": "feature:1", "operation": "set"}, "operation", "use add or clamp"),
        ({"direction": "token:Paris", "operation": "clamp"}, "operation", "Only a feature can be clamped"),
        ({"direction": "feature:1", "operation": "clamp", "layer": 2}, "layer", "leave the layer empty"),
        ({"direction": "feature:1", "operation": "clamp", "largest": -1.0}, "largest", "a number above 0"),
        ({"direction": "token: "}, "token", "The token is missing"),
        ({"direction": "token:Constantinople"}, "token", "tokens for this model"),
        ({"direction": "vector"}, "vector", "Paste the direction: 128 numbers"),
        ({"direction": "vector", "vector": "1, 2, 3"}, "vector", "There are 3 numbers, and loupe-mini is 128 wide"),
        ({"direction": "vector", "vector": "1, two, 3"}, "vector", r"“two” \(number 2\) is not a number"),
        ({"direction": "vector", "vector": "nan " * 128}, "vector", r"“nan” \(number 1\) is not a number"),
        ({"direction": "vector", "vector": "0 " * 128}, "vector", "All numbers are 0"),
        ({"direction": "feature:1", "also": ('{"direction": "token:good"}',) * 4}, "also", "at most 4 can be summed"),
        ({"direction": "feature:1", "also": ("token:good",)}, "also", "describes no direction: write an object"),
        ({"direction": "feature:1", "also": ('["token:good"]',)}, "also", "describes no direction"),
        ({"direction": "feature:1", "also": ('{"token": "good"}',)}, "also", "A direction has no “token”"),
        ({"direction": "feature:1", "also": ("{}",)}, "direction2", "Direction 2: “” is no direction"),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good"}', '{"direction": "feature:-2"}')},
            "direction3",
            "Direction 3: “feature:-2” names no feature",
        ),
        ({"direction": "feature:1", "also": ('{"direction": 5}',)}, "direction2", "The direction is 5"),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good", "strength": "x"}',)},
            "strength2",
            "Direction 2: The strength is x: choose a number",
        ),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good", "layer": 9}',)},
            "layer2",
            "Direction 2: There is no layer 9",
        ),
        ({"direction": "contrast"}, "positive", "The positive prompts are empty"),
        ({"direction": "contrast", "positive": "good"}, "negative", "The negative prompts are empty"),
        ({"direction": "contrast", "positive": "good", "negative": "good"}, "negative", "look the same"),
        ({"direction": "contrast", "positive": "good\n" * 65, "negative": "bad"}, "positive", "There are 65 positive"),
        ({"direction": "contrast", "positive": "good", "negative": "bad " * 400}, "negative", "reads at most 256"),
    ],
)
def test_bad_settings(mini, options, field, message):
    with pytest.raises(InputError, match=message) as caught:
        steering(mini, PROMPT, **options)
    assert caught.value.field == field
