"""The same effect told by neurons and by features: against sums by hand, on every architecture."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from mi_core.analyses.neurons import neurons
from mi_core.analyses.neurons_and_features import neurons_and_features
from mi_core.attribution.concentration import gathered, needed
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_reference import final_norm, normalise, plain
from tests.core.sae_folders import save_sae, topk_encode, weights_of

PROMPT = " the cat sat on the dog, é"
FACT = "The capital of Texas is"


def test_in_how_few_parts_an_effect_lies():
    effect = np.array([1.0, -6.0, 0.0, 3.0], dtype=np.float32)
    np.testing.assert_allclose(gathered(effect), [0.6, 0.9, 1.0, 1.0])
    assert [needed(effect, share) for share in (0.5, 0.6, 0.8, 1.0)] == [1, 1, 2, 3]
    assert needed(effect * 0) == 0 and not gathered(effect * 0).any()


def test_features_by_hand(architecture, with_sae, hf_model):
    """An SAE after block 0, whose features are read by the answer as if nothing came between."""
    model, hf = with_sae(architecture), hf_model(architecture)
    found = neurons_and_features(model, PROMPT, target="cat", foil="dog")
    run = plain(hf, found.tokens.ids)
    rows = hf.get_output_embeddings().weight
    direction = rows[found.target.token_id] - rows[found.target.foil_id]

    def read(write):
        return normalise(hf, final_norm(hf), write, at=run.resid[-1][found.pos]) @ direction

    w, x = weights_of(Path(model.id) / "saes" / hooks.resid_post(0)), run.resid[1][found.pos]
    unit = w["W_dec"] / w["W_dec"].norm(dim=-1, keepdim=True)
    encoded = topk_encode(x[None], w, 6)[0]
    expected = (encoded * read(unit)).numpy()
    order = np.argsort(-np.abs(expected), kind="stable")[: np.count_nonzero(expected)]
    assert list(found.features.names) == [f"#{i}" for i in order]
    np.testing.assert_allclose(found.features.contribution, expected[order], rtol=1e-3, atol=1e-4)
    assert found.bias == pytest.approx(float(read(w["b_dec"])), rel=1e-3, abs=1e-4)
    assert found.error == pytest.approx(float(read(x - w["b_dec"] - encoded @ unit)), rel=1e-3, abs=1e-3)
    assert found.layers == (0,) and all(check.passed for check in found.checks)
    assert found.neurons.total == pytest.approx(
        float(neurons(model, PROMPT, target="cat", foil="dog", layer=0).neuron_sum[0]), abs=1e-3
    )


def test_the_built_in_model_compares_at_its_end(mini):
    found = neurons_and_features(mini, FACT, target="Austin", foil="Dallas")
    assert found.sae == hooks.resid_post(3) and found.layers == (0, 1, 2, 3)
    whole = neurons(mini, FACT, target="Austin", foil="Dallas")
    assert found.neurons.n_most == whole.n_most
    assert found.neurons.contribution == pytest.approx(whole.contribution[:10], abs=1e-5)
    assert found.features.n_most < found.neurons.n_most / 5
    assert found.features.mean_things >= 1 and found.neurons.mean_things >= 1
    title = found.reading().title
    assert title.startswith(f"Features are the smaller unit here: {found.features.n_most} features or ")
    curve = found.tables()["curve"]
    assert curve.groupby("kind")["share_of_effect"].is_monotonic_increasing.all()


def test_an_mlps_own_sae_is_compared_with_its_own_neurons(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    save_sae(folder, hooks.mlp_out(1))
    found = neurons_and_features(load(str(folder)), PROMPT, target="cat")
    assert found.layers == (1,) and all(check.passed for check in found.checks)


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"pos": 0}, "The start token is not read for features", "pos"),
        ({"sae": hooks.resid_pre(0)}, "nothing to compare its features with: choose a later one", "sae"),
        ({"sae": "blocks.9.hook_resid_pre"}, "There is no SAE at", "sae"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        neurons_and_features(mini, FACT, **chosen)
    assert caught.value.field == field


def test_a_model_without_an_sae_gets_a_sentence(tiny_model):
    with pytest.raises(InputError, match="There is no SAE for"):
        neurons_and_features(tiny_model("gpt2"), PROMPT)
