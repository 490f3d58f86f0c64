"""Pairs of features: gradients and ablations of plain transformers, with the SAEs by hand."""

import functools
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from mi_core.analyses.feature_pairs import feature_pairs
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_reference import blocks
from tests.core.sae_folders import save_sae, topk_encode, weights_of

PROMPT = " the cat sat on the dog, é"
EARLIER, LATER = hooks.resid_post(0), hooks.resid_post(1)


@pytest.fixture(scope="module")
def with_two(tiny_folder, tmp_path_factory):
    """with_two(name): the tiny model of that architecture with SAEs after its blocks 0 and 1."""

    @functools.cache
    def open_model(name: str):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("pairs") / name)
        for hook in (EARLIER, LATER):
            save_sae(folder, hook, "topk")
        return load(str(folder))

    return open_model


class Plain:
    """The plain model up to the second SAE, which is read at the last position."""

    def __init__(self, model, hf, ids):
        self.hf, self.ids = hf, torch.tensor([ids])
        self.first, self.last = (weights_of(Path(model.id) / "saes" / hook) for hook in (EARLIER, LATER))
        self.directions = self.first["W_dec"] / self.first["W_dec"].norm(dim=-1, keepdim=True)

    def run(self, change):
        """Activations after block 0 as `change` left them, and the later features at the last position."""
        seen = []

        def keep(module, args, out):
            x = out[0] if isinstance(out, tuple) else out
            x = change(x) if not seen else x
            seen.append(x)
            return (x, *out[1:]) if isinstance(out, tuple) else x

        handles = [block.register_forward_hook(keep) for block in list(blocks(self.hf))[:2]]
        self.hf(self.ids, use_cache=False)
        for handle in handles:
            handle.remove()
        return seen[0], topk_encode(seen[1][0, -1], self.last, 6)


def test_estimates_sums_and_ablations_are_those_of_plain_transformers(architecture, with_two, hf_model):
    model = with_two(architecture)
    found = feature_pairs(model, PROMPT, sae=EARLIER, top_k=6)
    assert (found.earlier, found.later) == (EARLIER, LATER)
    plain, first = Plain(model, hf_model(architecture), found.tokens.ids), int(found.tokens.has_bos)
    x, made = plain.run(lambda x: x.detach().requires_grad_(True))
    amounts = topk_encode(x[0, first:].detach(), plain.first, 6)
    rows = found.tables()["sums"].set_index("to_feature")
    for number, (maker, target) in enumerate(zip(found.from_ids, found.to_ids, strict=True)):
        (slope,) = torch.autograd.grad(made[target], [x], retain_graph=True)
        expected = slope[0, first:] @ plain.directions[maker] * amounts[:, maker]
        np.testing.assert_allclose(found.estimate[number, first:], expected, rtol=2e-3, atol=2e-4)
        features = (slope[0, first:] @ plain.directions.T * amounts).sum()
        assert rows["features"][target] == pytest.approx(float(features), rel=2e-3, abs=2e-3)
        whole = rows.loc[target, ["features", "bias", "error", "start_token"]].sum()
        assert whole == pytest.approx(float((x.detach() * slope).sum()), rel=2e-3, abs=2e-3)
        off = torch.zeros_like(x).detach()
        off[0, first:] = amounts[:, maker, None] * plain.directions[maker]
        _, without = plain.run(lambda x, off=off: x - off)
        assert found.measured[number] == pytest.approx(float((made - without)[target].detach()), abs=1e-3)
    assert rows.drop(columns="activation").sum(axis=1).to_numpy() == pytest.approx(rows["activation"], abs=1e-4)
    assert all(check.passed for check in found.checks)


def test_the_strongest_pairs_of_all_come_first(with_two):
    every = feature_pairs(with_two("gpt2"), PROMPT, top_k=40)
    size = np.abs(every.estimate.sum(1))
    assert (np.diff(size) <= 1e-6).all() and size[0] > 0
    few = feature_pairs(with_two("gpt2"), PROMPT, top_k=3)
    assert few.from_ids.tolist() == every.from_ids[:3].tolist() and few.to_ids.tolist() == every.to_ids[:3].tolist()


def test_whichever_comes_first_in_the_model_makes(mini):
    """Of five places, the middle one and the next; the last has but the one before."""
    usual = feature_pairs(mini, "The capital of Texas is")
    assert (usual.earlier, usual.later) == (hooks.resid_pre(2), hooks.resid_pre(3))
    last = feature_pairs(mini, "The capital of Texas is", sae=hooks.resid_post(3))
    assert (last.earlier, last.later) == (hooks.resid_pre(3), hooks.resid_post(3))
    turned = feature_pairs(mini, "The capital of Texas is", sae=hooks.resid_pre(3), other=hooks.resid_pre(2))
    assert turned.from_ids.tolist() == usual.from_ids.tolist()
    title, said = usual.reading().title, usual.reading().sentences[0]
    assert "before layer 2 feeds feature" in title and "before layer 3 most" in title
    assert f"has {usual.activation[np.abs(usual.measured).argmax()]:.2f}" in said


def test_what_cannot_be_paired_gets_a_sentence(mini, with_sae):
    with pytest.raises(InputError, match=r"two places, and .* has one at blocks\.0\.hook_resid_post only") as caught:
        feature_pairs(with_sae("gpt2"), PROMPT)
    assert caught.value.field == "sae"
    with pytest.raises(InputError, match="choose one at another place") as caught:
        feature_pairs(mini, PROMPT, sae=hooks.resid_pre(1), other=hooks.resid_pre(1))
    assert caught.value.field == "other"
    with pytest.raises(InputError, match="The start token is not read for features"):
        feature_pairs(mini, PROMPT, pos=0)
