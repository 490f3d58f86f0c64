"""SAE features over a prompt: equal to the SAE's arrays applied by hand to plain transformers' hidden states."""

import functools
import math
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from mi_core.analyses import features as module
from mi_core.analyses.features import features
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.sae_folders import CENTRED, k_of, save_sae, standard_encode, topk_encode, weights_of

PROMPT = " the cat sat on the dog"
MINI_SAE = Path(__file__).parents[2] / "models/loupe-mini/saes/blocks.2.hook_resid_pre"
K = k_of(MINI_SAE)


@pytest.fixture(scope="module")
def with_sae(tiny_folder, tmp_path_factory):
    """with_sae(name): the tiny model of that architecture with a standard SAE at resid_pre of its block 1."""

    @functools.cache
    def open_model(name: str):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("sae") / name)
        save_sae(folder, hooks.resid_pre(1))
        save_sae(folder, hooks.resid_pre(2), kwargs=CENTRED)
        return load(str(folder))

    return open_model


def _weights(model, hook: str = hooks.resid_pre(1)) -> dict[str, torch.Tensor]:
    return weights_of(Path(model.id) / "saes" / hook)


def _blocks(hf):
    body = hf.base_model
    return body.h if hasattr(body, "h") else body.layers


def _hidden(hf, ids, layer: int) -> torch.Tensor:
    return hf(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]


def _cross_entropy(hf, ids, layer: int, x: torch.Tensor | None, from_pos: int) -> float:
    """Bits per token after `from_pos`, with `x` in place of what enters block `layer`."""

    def replace(block, args, kwargs):
        return ((x[None], *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x[None]})

    handle = _blocks(hf)[layer].register_forward_pre_hook(replace, with_kwargs=True) if x is not None else None
    logits = hf(torch.tensor([ids]), use_cache=False).logits[0]
    if handle:
        handle.remove()
    wanted = torch.tensor(ids[from_pos + 1 :])
    return float(torch.nn.functional.cross_entropy(logits[from_pos:-1], wanted)) / math.log(2)


def test_top_features_of_the_built_in_model(mini, hf_model):
    prompt = "The capital of Texas is"
    w = weights_of(MINI_SAE)
    result = features(mini, prompt, top_k=5)
    ids = result.tokens.ids
    expected = topk_encode(_hidden(hf_model("loupe-mini"), ids, 2), w, k=K)[1:].topk(5)
    assert result.skipped_pos == (0,)
    np.testing.assert_array_equal(result.feature_ids[1:], expected.indices)
    np.testing.assert_allclose(result.activations[1:], expected.values, atol=1e-3)
    assert (result.feature_ids[0] == -1).all()
    assert np.isnan(result.activations[0]).all()
    assert result.n_active.tolist() == [0] + [K] * (len(ids) - 1)
    assert all(check.passed for check in result.checks)


def test_every_architecture(architecture, with_sae, hf_model):
    model = with_sae(architecture)
    result = features(model, PROMPT, sae=hooks.resid_pre(1), top_k=7, prepend_bos=True)
    w = _weights(model)
    ids = list(result.tokens.ids)
    x = _hidden(hf_model(architecture), ids, 1)
    encoded = standard_encode(x, w)
    best = encoded[1:].topk(7)
    active = best.values > 0
    np.testing.assert_allclose(
        np.nan_to_num(result.activations[1:]), torch.where(active, best.values, 0.0), atol=1e-3, rtol=1e-4
    )
    np.testing.assert_array_equal(result.feature_ids[1:][active], best.indices[active])
    assert (result.feature_ids[1:][~active] == -1).all()
    assert result.quality.l0 == pytest.approx(float((encoded[1:] > 0).sum(-1).double().mean()))

    reconstruction = x.clone()
    reconstruction[1:] = encoded[1:] @ w["W_dec"] + w["b_dec"]
    mean = x.clone()
    mean[1:] = x[1:].mean(0)
    hf = hf_model(architecture)
    quality = result.quality
    assert quality.cross_entropy == pytest.approx(_cross_entropy(hf, ids, 1, None, 1), rel=1e-3)
    assert quality.cross_entropy_spliced == pytest.approx(_cross_entropy(hf, ids, 1, reconstruction, 1), rel=1e-3)
    assert quality.cross_entropy_ablated == pytest.approx(_cross_entropy(hf, ids, 1, mean, 1), rel=1e-3)
    error = (x - reconstruction)[1:]
    assert quality.mean_squared_error == pytest.approx(float(error.square().mean()), rel=1e-3)
    spread = (x[1:] - x[1:].mean(0)).square().mean()
    assert quality.explained_variance == pytest.approx(float(1 - error.square().mean() / spread), rel=1e-3)
    assert all(check.passed for check in result.checks), result.checks


def test_promoted_tokens_by_hand(with_sae, hf_model):
    """LayerNorm: centre, multiply by the norm's weight, unembed; nothing of any bias."""
    model, hf = with_sae("gpt2"), hf_model("gpt2")
    result = features(model, PROMPT, sae=hooks.resid_pre(1), top_k=3)
    w = _weights(model)
    promoted = result.tables()["promoted"]
    for feature in result.feature_ids[-1]:
        row = w["W_dec"][feature]
        effects = ((row - row.mean()) * hf.transformer.ln_f.weight) @ hf.lm_head.weight.T
        effects = effects - effects.mean()
        mine = promoted[promoted.feature == feature]
        for direction, expected in (("promoted", effects.topk(8)), ("suppressed", (-effects).topk(8))):
            part = mine[mine.direction == direction]
            np.testing.assert_allclose(part.effect.abs(), expected.values.abs(), rtol=1e-4)
            assert part.token.tolist() == model.texts(expected.indices)
    assert (promoted[promoted.direction == "promoted"].effect > 0).all()


def test_promoted_tokens_of_an_rms_norm_with_offset(with_sae, hf_model):
    model, hf = with_sae("gemma2"), hf_model("gemma2")
    result = features(model, PROMPT, sae=hooks.resid_pre(1), top_k=1)
    row = _weights(model)["W_dec"][result.feature_ids[-1, 0]]
    effects = (row * (1 + hf.model.norm.weight)) @ hf.lm_head.weight.T
    effects = effects - effects.mean()
    np.testing.assert_allclose(result.promotion.promoted_effects[0], effects.topk(8).values, rtol=1e-4)


def test_a_centred_sae_sees_centred_activations(with_sae, hf_model):
    model = with_sae("neox")
    result = features(model, PROMPT, sae=hooks.resid_pre(2), prepend_bos=True, top_k=4)
    x = _hidden(hf_model("neox"), list(result.tokens.ids), 2)[1:]
    expected = standard_encode(x - x.mean(-1, keepdim=True), _weights(model, hooks.resid_pre(2))).topk(4)
    np.testing.assert_allclose(result.activations[1:], expected.values, rtol=1e-3)
    assert result.centred
    assert all(check.passed for check in result.checks), result.checks


def test_chunks_change_nothing(mini, monkeypatch):
    prompt = "When Mary and John went to the store, John gave a drink to"
    whole = features(mini, prompt)
    monkeypatch.setattr(module, "POSITIONS_AT_ONCE", 3)
    monkeypatch.setattr("mi_core.saes.quality.POSITIONS_AT_ONCE", 2)
    monkeypatch.setattr("mi_core.saes.quality.LONG", 1)
    parts = features(mini, prompt)
    np.testing.assert_array_equal(whole.feature_ids, parts.feature_ids)
    np.testing.assert_allclose(whole.activations, parts.activations, atol=1e-4)
    for name in ("explained_variance", "cross_entropy", "cross_entropy_spliced", "cross_entropy_ablated"):
        assert getattr(whole.quality, name) == pytest.approx(getattr(parts.quality, name), rel=1e-4)


def test_the_built_in_sae_keeps_what_the_model_predicts(mini):
    quality = features(mini, "The Eiffel Tower is in the city of Paris. The Colosseum is in the city of Rome.").quality
    assert quality.l0 == K
    assert quality.explained_variance > 0.8
    assert quality.recovered > 0.9
    assert quality.cross_entropy < quality.cross_entropy_ablated - 1


def test_tables(mini):
    result = features(mini, "The capital of Texas is", top_k=4, pos=2)
    tables = result.tables()
    assert list(tables) == ["features", "promoted", "quality"]
    table = tables["features"]
    assert {"pos", "token", "feature", "activation", "label", "density", "share_of_max"} <= set(table)
    assert sorted(set(table.pos)) == list(range(1, len(result.tokens)))
    assert (table.groupby("pos").size() == 4).all()
    here = table[table.pos == 2]
    assert (here.activation.diff().dropna() <= 0).all()
    assert set(tables["promoted"].feature) == set(here.feature)
    assert len(tables["promoted"]) == 4 * 2 * 8
    known = ~np.isnan(result.max_activations)
    np.testing.assert_allclose(
        table.share_of_max.to_numpy()[: known[1].sum()], (result.activations / result.max_activations)[1][known[1]]
    )


def test_fewer_active_features_than_asked_for(mini):
    result = features(mini, "The capital of Texas is", top_k=K + 24)
    assert ((result.feature_ids >= 0).sum(1) == result.n_active).all()
    assert (np.isnan(result.activations) == (result.feature_ids < 0)).all()
    table = result.tables()["features"]
    assert len(table) == K * (len(result.tokens) - 1)
    assert (table.activation > 0).all()
    assert len(result.tables()["promoted"]) == K * 2 * 8


def test_one_position_has_no_variance_and_no_next_token(mini):
    quality = features(mini, " Monday").quality
    assert math.isnan(quality.explained_variance)
    assert math.isnan(quality.cross_entropy)
    assert quality.l0 == K


def test_readings_are_short_and_say_what_the_numbers_say(mini):
    result = features(mini, "The capital of Texas is")
    reading = result.reading()
    assert f"Feature {result.feature_ids[-1, 0]}" in reading.title
    assert "“·is”" in reading.title
    assert len(reading.title) <= 90
    assert f"{K} of 1,024 features" in reading.sentences[0]
    at_bos = features(mini, "The capital of Texas is", pos=0)
    assert "start token is not read" in at_bos.reading().title
    assert at_bos.tables()["promoted"].empty
    assert len(features(mini, "supercalifragilistic" * 3, pos=3).reading().title) <= 90


@pytest.mark.parametrize(
    ("settings", "field", "message"),
    [
        ({"top_k": 0}, "top_k", "choose a number from 1 to 100"),
        ({"top_k": 101}, "top_k", "choose a number from 1 to 100"),
        ({"sae": "blocks.7.hook_resid_pre"}, "sae", "There is no SAE at “blocks.7.hook_resid_pre”"),
        ({"pos": 99}, "pos", "no position 99"),
    ],
)
def test_bad_settings(mini, settings, field, message):
    with pytest.raises(InputError, match=message) as caught:
        features(mini, "The capital of Texas is", **settings)
    assert caught.value.field == field


def test_bad_prompts(mini):
    for prompt in ("", "   ", "word " * 500):
        with pytest.raises(InputError) as caught:
            features(mini, prompt)
        assert caught.value.field == "prompt"
