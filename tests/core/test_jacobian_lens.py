"""The Jacobian lens against transformer_lens' own, and against the definition."""

from shutil import copytree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mi_core.analyses.jacobian_lens import jacobian_lens
from mi_core.analyses.logit_lens import logit_lens
from mi_core.models.loading import load
from tests.core.lens_folders import open_beside, save_lens
from tests.core.plain_reference import final_norm, plain, unembed

PROMPT = " the cat sat on the dog: é"
FACT = "The capital of Texas is"


@pytest.fixture
def with_lens(tiny_folder, tmp_path):
    """with_lens(architecture): that model with random matrices for a Jacobian lens, and the matrices."""

    def open_model(name: str, **about: str):
        return open_beside(tiny_folder(name), tmp_path / name, "jacobian", **about)

    return open_model


def test_equals_plain_transformers(architecture, with_lens, hf_model):
    model, maps = with_lens(architecture)
    found = jacobian_lens(model, PROMPT, target="cat", top_k=7)
    hf = hf_model(architecture)
    run = plain(hf, found.tokens.ids)
    with torch.no_grad():
        streams = [run.resid[layer] @ maps[f"layers.{layer}.weight"].T for layer in range(1, model.n_layers)]
        logits = torch.stack([unembed(hf, final_norm(hf)(x)) for x in [*streams, run.resid[-1]]])
    assert found.layers == tuple(range(1, model.n_layers + 1))
    np.testing.assert_allclose(found.top_logits, logits.topk(7).values, rtol=1e-3, atol=1e-3)
    assert all(check.passed for check in found.checks)


def test_matrices_of_one_are_the_logit_lens(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("llama"), tmp_path / "llama")
    model = load(str(folder))
    save_lens(folder, "jacobian", {f"layers.{i}.weight": torch.eye(model.d_model) for i in range(1, model.n_layers)})
    found, own = jacobian_lens(model, PROMPT), logit_lens(model, PROMPT)
    np.testing.assert_allclose(found.top_logits, own.top_logits[1:], atol=1e-5)


def test_the_shipped_lens_reads_as_transformer_lens_reads_it(mini):
    from transformer_lens.tools.analysis.jacobian_lens import JacobianLens

    state = load_file(mini_folder() / "jacobian_lens.safetensors")
    theirs = JacobianLens(
        {layer: state[f"layers.{layer + 1}.weight"] for layer in range(3)}, n_prompts=1, d_model=mini.d_model
    )
    found = jacobian_lens(mini, FACT, top_k=7)
    ids = torch.tensor([found.tokens.ids])
    right = theirs.readout(mini.bridge, ids, positions=list(range(len(found.tokens))), top_k=7)
    for row, layer in enumerate(range(3)):
        np.testing.assert_allclose(found.top_logits[row], right.lens_topk_values[layer], atol=1e-3)


def test_a_row_of_the_shipped_matrix_is_near_to_a_finite_difference(mini):
    """On texts that it was not fitted on, the effect of a small push on all later outputs is what J says on average."""
    state = load_file(mini_folder() / "jacobian_lens.safetensors")
    torch.manual_seed(0)
    push = torch.nn.functional.normalize(torch.randn(mini.d_model), dim=0)
    texts = [FACT + " Austin. The capital of France is Paris.", "Mary and John went to the store and Mary bought milk."]
    effects = [_effect(mini, text, push, layer=3) for text in texts]
    foretold = state["layers.3.weight"].float() @ push
    assert torch.cosine_similarity(torch.stack(effects).mean(0), foretold, dim=0) > 0.8


def _effect(model, text: str, push: torch.Tensor, layer: int, size: float = 0.5) -> torch.Tensor:
    """Mean over positions of what a push there does to the last layer's output at that position and later ones."""
    from mi_core.models import hooks

    tokens, last = model.tokens(text), hooks.resid_post(model.n_layers - 1)
    plain_run = model.run(tokens, [last])[last]
    seen = []
    for pos in range(4, len(tokens) - 1):

        def pushed(x, hook, pos=pos):
            x = x.clone()
            x[:, pos] += size * push
            return x

        run = model.run_ids(model.rows([list(tokens.ids)]), [last], changes={hooks.resid_pre(layer): pushed})
        seen.append((run[last][0, :-1] - plain_run[:-1]).sum(0) / size)
    return torch.stack(seen).mean(0)


def test_positions_before_the_fit_are_told(with_lens):
    model, _ = with_lens("llama", first_pos="4", texts="32")
    early, late = (jacobian_lens(model, PROMPT, pos=pos).reading().sentences for pos in (2, 5))
    assert "It was fitted at positions from 4 on" in early[-1] and "(position 2) lies before them" in early[-1]
    assert late[-1] == "The Jacobian lens lies beside the model's weights, fitted on 32 texts."


def mini_folder():
    from mi_core.models import catalogue

    return catalogue.find(catalogue.DEFAULT).folder
