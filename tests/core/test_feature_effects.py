"""Features' effects on the answer: gradients of plain transformers, and the ablation of the same features."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mi_core.analyses.ablation import ablation
from mi_core.analyses.feature_effects import feature_effects
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.conftest import _tokenizer
from tests.core.plain_reference import blocks
from tests.core.sae_folders import save_sae, topk_encode, weights_of
from tests.families import family

PROMPT = " the cat sat on the dog, é"


def test_estimates_are_gradients_of_plain_transformers(architecture, with_sae, hf_model):
    """An SAE after block 0: its term by term gradient × activation, and the whole with bias and error."""
    model, hf = with_sae(architecture), hf_model(architecture)
    found = feature_effects(model, PROMPT, target="cat", foil="dog", top_k=6)
    seen = []

    def keep(module, args, out):
        x = (out[0] if isinstance(out, tuple) else out).detach().requires_grad_(True)
        seen.append(x)
        return (x, *out[1:]) if isinstance(out, tuple) else x

    handle = blocks(hf)[0].register_forward_hook(keep)
    logits = hf(torch.tensor([found.tokens.ids]), use_cache=False).logits[0, -1]
    handle.remove()
    value = logits[found.target.token_id] - logits[found.target.foil_id]
    (slope,) = torch.autograd.grad(value, seen)
    first = int(found.tokens.has_bos)
    x, slope = seen[0].detach()[0, first:], slope[0, first:]
    w = weights_of(Path(model.id) / "saes" / hooks.resid_post(0))
    unit = w["W_dec"] / w["W_dec"].norm(dim=-1, keepdim=True)
    expected = (topk_encode(x, w, 6) * (slope @ unit.T))[:, found.features].T
    np.testing.assert_allclose(found.estimate[:, first:], expected, rtol=2e-3, atol=2e-4)
    whole = found.tables()["sums"]["sum"].sum()
    assert whole == pytest.approx(float((x * slope).sum()), rel=1e-3, abs=2e-3)
    assert all(check.passed for check in found.checks)


def test_what_is_measured_is_the_ablation_of_the_same_features(architecture, with_sae):
    model = with_sae(architecture)
    found = feature_effects(model, PROMPT, target="cat", top_k=5)
    table = ablation(model, PROMPT, target="cat", site="feature", mode="zero").tables()["effects"].set_index("feature")
    np.testing.assert_allclose(found.measured, -table["change"][found.features], atol=2e-4)
    np.testing.assert_allclose(found.direct, table["direct"][found.features], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["gemma2", "qwen3_next"])
def test_estimates_are_small_steps_of_plain_transformers(name, tmp_path):
    """Capped logits, norms after each part, gated linear attention, experts: the slope of the answer itself, where a
    little more and a little less of a feature is written."""
    folder = family(tmp_path / "model", name, _tokenizer())
    at = save_sae(folder, hooks.resid_pre(1), "topk")
    found = feature_effects(load(str(folder)), PROMPT, target="cat", foil="dog", top_k=3)
    hf = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    w, first, step = weights_of(at), int(found.tokens.has_bos), 0.002

    @torch.no_grad()
    def answer(number: int, share: float) -> float:
        def more(module, args, kwargs):
            x = (args[0] if args else kwargs["hidden_states"]).clone()
            amounts = topk_encode(x[0, first:], w, 6)[:, number, None]
            x[0, first:] += share * amounts * w["W_dec"][number] / w["W_dec"][number].norm()
            return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

        handle = hf.eval().model.layers[1].register_forward_pre_hook(more, with_kwargs=True)
        logits = hf(torch.tensor([found.tokens.ids]), use_cache=False).logits[0, -1]
        handle.remove()
        return float(logits[found.target.token_id] - logits[found.target.foil_id])

    slopes = [(answer(i, step) - answer(i, -step)) / (2 * step) for i in found.features.tolist()]
    np.testing.assert_allclose(found.estimate.sum(1), slopes, rtol=1e-2, atol=1e-3)


def test_the_start_token_gets_a_sentence(mini):
    with pytest.raises(InputError, match="The start token is not read for features") as caught:
        feature_effects(mini, PROMPT, pos=0)
    assert caught.value.field == "pos"
