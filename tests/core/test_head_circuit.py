"""A head's circuits against dense matrices cut out of plain transformers' weights by hand."""

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from mi_core.analyses.head_circuit import head_circuit
from mi_core.errors import InputError
from mi_core.heads import circuit as module
from mi_core.heads.circuit import Circuit, joined, strongest
from mi_core.heads.scoring import scoring
from tests.core.plain_reference import attention_of, blocks, d_head, final_norm, norm_weight, w_o

LAYER, HEAD = 1, 2


def reads(hf, part: str) -> torch.Tensor:
    """[d_model, d_head]: the query, key or value matrix that `HEAD` of `LAYER` uses."""
    attn, d = attention_of(hf, LAYER), d_head(hf)
    if hf.config.model_type == "gpt2":
        return attn.c_attn.weight.chunk(3, -1)["qkv".index(part)][:, HEAD * d : (HEAD + 1) * d]
    if hf.config.model_type == "gpt_neox":
        rows = attn.query_key_value.weight.unflatten(0, (-1, 3, d))
        return rows[HEAD, "qkv".index(part)].T
    rows = getattr(attn, f"{part}_proj").weight.unflatten(0, (-1, d))
    return rows[HEAD * len(rows) // hf.config.num_attention_heads].T


def dense_ov(hf, tokens) -> torch.Tensor:
    d = d_head(hf)
    head = reads(hf, "v") @ w_o(hf, LAYER)[HEAD * d : (HEAD + 1) * d]
    return hf.get_input_embeddings().weight[tokens] @ head @ hf.get_output_embeddings().weight[tokens].T


def test_ov_equals_the_dense_matrix(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = head_circuit(model, layer=LAYER, head=HEAD, top_k=5)
    tokens = list(model.text_ids)
    dense = dense_ov(hf, tokens)
    above = dense.max(-1).values - dense.mean(-1)
    top = above.topk(5)
    np.testing.assert_allclose(found.effect, top.values.numpy(), rtol=1e-4)
    assert found.token == tuple(model.texts(tokens[i] for i in top.indices))
    assert found.prediction == tuple(model.texts(tokens[int(dense[i].argmax())] for i in top.indices))
    values = torch.linalg.eigvals(dense.double())
    assert found.copying == pytest.approx(float(values.real.sum() / values.abs().sum()), abs=1e-4)
    assert found.copied == pytest.approx(float(((dense > dense.diagonal()[:, None]).sum(-1) < 10).float().mean()))
    assert all(check.passed for check in found.checks)


def test_tokens_that_choose_and_that_attract_are_those_of_the_dense_matrix(architecture, tiny_model, hf_model):
    """Its rows' standard deviations and its columns' means, whatever positions add."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = head_circuit(model, layer=LAYER, head=HEAD, distance=0).tables()["qk_tokens"]
    tokens = list(model.text_ids)
    e = hf.get_input_embeddings().weight[tokens]
    q, k = scoring(model, LAYER, 1).turned_matrices(reads(hf, "q"), reads(hf, "k"), 0)
    dense = (e @ q) @ (e @ k).T
    for side, by_hand in (("asks", dense.std(1, correction=0)), ("is found by", dense.mean(0) - dense.mean())):
        ours, most = found[found["side"] == side], by_hand.topk(8)
        np.testing.assert_allclose(ours["attraction"], most.values.numpy(), rtol=1e-3, atol=1e-6)
        assert list(ours["token"]) == model.texts(tokens[i] for i in most.indices)


@pytest.mark.parametrize("distance", [0, 5])
def test_qk_of_a_rotary_model_equals_its_own_rotation(tiny_model, hf_model, distance):
    """Grouped queries, turned by transformers' own function."""
    model, hf = tiny_model("llama"), hf_model("llama")
    found = head_circuit(model, layer=LAYER, head=HEAD, distance=distance, top_k=3)
    tokens = list(model.text_ids)
    e = hf.get_input_embeddings().weight[tokens]
    cos, sin = hf.model.rotary_emb(e[None], torch.tensor([[0, distance]]))
    q, k = (e @ reads(hf, part) for part in "qk")
    turned = [
        apply_rotary_pos_emb(x[:, None, None], x[:, None, None], cos[:, [i]], sin[:, [i]]) for i, x in ((1, q), (0, k))
    ]
    scores = turned[0][0][:, 0, 0] @ turned[1][1][:, 0, 0].T / d_head(hf) ** 0.5
    top = (scores.max(-1).values - scores.mean(-1)).topk(3)
    np.testing.assert_allclose(found.attraction, top.values.numpy(), rtol=1e-4)
    assert found.key == tuple(model.texts(tokens[int(scores[i].argmax())] for i in top.indices))
    mean = e.mean(0)
    assert found.turns and found.by_distance[distance] == pytest.approx(_score(hf, mean, distance), rel=1e-3)


def _score(hf, x, distance):
    cos, sin = hf.model.rotary_emb(x[None, None], torch.tensor([[0, distance]]))
    q, k = ((x @ reads(hf, part))[None, None, None] for part in "qk")
    q, k = (
        apply_rotary_pos_emb(q, q, cos[:, [1]], sin[:, [1]])[0],
        apply_rotary_pos_emb(k, k, cos[:, [0]], sin[:, [0]])[0],
    )
    return float((q * k).sum() / d_head(hf) ** 0.5)


def test_learned_positions_stand_apart(tiny_model, hf_model):
    model, hf = tiny_model("gpt2"), hf_model("gpt2")
    found = head_circuit(model, layer=LAYER, head=HEAD, distance=3)
    assert not found.turns
    assert found.attraction == pytest.approx(head_circuit(model, layer=LAYER, head=HEAD).attraction)
    x = hf.transformer.wte.weight[list(model.text_ids)].mean(0) + hf.transformer.wpe.weight[:24]
    scores = (x @ reads(hf, "q")) @ (x @ reads(hf, "k")).T / d_head(hf) ** 0.5
    by_hand = [scores.diagonal(-back).mean() for back in range(24)]
    np.testing.assert_allclose(found.by_distance, torch.stack(by_hand).numpy(), rtol=1e-3, atol=1e-4)


def test_folded_gains_are_those_of_both_norms(tiny_model, hf_model):
    model, hf = tiny_model("gemma2"), hf_model("gemma2")
    found = head_circuit(model, layer=LAYER, head=HEAD, gains="folded", top_k=1)
    tokens, d, block = list(model.text_ids), d_head(hf), blocks(hf)[LAYER]
    head = reads(hf, "v") @ w_o(hf, LAYER)[HEAD * d : (HEAD + 1) * d]
    before, behind = norm_weight(hf, block.input_layernorm), norm_weight(hf, block.post_attention_layernorm)
    last = norm_weight(hf, final_norm(hf))
    e, u = hf.get_input_embeddings().weight[tokens], hf.get_output_embeddings().weight[tokens]
    dense = (e * before) @ head @ (u * last * behind).T
    assert found.effect[0] == pytest.approx(float((dense.max(-1).values - dense.mean(-1)).max()), rel=1e-4)


def test_every_architectures_scores_are_rebuilt(architecture, tiny_model):
    assert all(scoring(tiny_model(architecture), layer, 24).error < 1e-5 for layer in range(3))


def test_directions_are_the_dense_matrix_singular_ones(mini, hf_model):
    found = head_circuit(mini, layer=1, head=1)
    hf, d = hf_model("loupe-mini"), 32
    block = hf.transformer.h[1].attn
    dense = block.c_attn.weight[:, 256 + d : 256 + 2 * d] @ block.c_proj.weight[d : 2 * d]
    u, s, vh = torch.linalg.svd(dense.double())
    np.testing.assert_allclose(found.singular_value[0], (s / s.norm())[:5].numpy(), rtol=1e-4)
    read, said = (hf.transformer.wte.weight[list(mini.text_ids)].double() @ x for x in (u[:, 0], vh[0]))
    sign = read[read.abs().argmax()].sign()
    rows = found.tables()["directions"].query("circuit == 'OV' and direction == 1")
    for side, numbers in (("reads", read), ("says", said)):
        np.testing.assert_allclose(rows[rows["side"] == side]["along"], (numbers * sign).topk(5).values, rtol=1e-3)


def test_the_built_in_models_heads(mini):
    """Induction heads copy; the head of the token before is drawn there by position alone, L0H3 to itself."""
    found = {name: head_circuit(mini, layer=name[0], head=name[1]) for name in ((0, 0), (0, 3), (1, 1))}
    assert found[1, 1].copying > 0.95 and found[0, 3].copying > 0.95
    assert found[1, 1].reading().title.startswith("L1H1 copies: what it reads, it makes likelier (copying score +0.99)")
    assert found[0, 0].by_distance.argmax() == 1 and found[0, 3].by_distance.argmax() == 0
    assert "it is drawn to the one before most" in " ".join(found[0, 0].reading().sentences)
    assert "no distance draws it more" in " ".join(found[1, 1].reading().sentences)


def test_parts_and_a_drawn_vocabulary(monkeypatch):
    torch.manual_seed(0)
    one = Circuit(torch.randn(40, 4), torch.randn(40, 4))
    whole = joined([part for _, _, part in strongest(one)])
    monkeypatch.setattr(module, "PART", 100)
    told = list(strongest(one))
    assert [done for done, _, _ in told][-1] == 40 and len(told) > 10
    assert torch.equal(joined([part for _, _, part in told]).best, whole.best)
    monkeypatch.setattr(module, "MOST", 400)
    few = joined([part for _, _, part in strongest(one)])
    assert len(few.token) == 10 and torch.equal(few.best, whole.best[few.token])


@pytest.mark.parametrize(
    ("settings", "message", "field"),
    [
        ({"layer": 4, "head": 0}, "There is no layer 4", "layer"),
        ({"layer": 0, "head": 4}, "There is no head 4", "head"),
        ({"layer": 0, "head": 0, "distance": 24}, "Distance must be from 0 to 23", "distance"),
        ({"layer": 0, "head": 0, "top_k": 0}, "Top_k must be from 1 to 100", "top_k"),
        ({"layer": 0, "head": 0, "gains": "half"}, "use raw or folded", "gains"),
    ],
)
def test_bad_settings_get_a_sentence(mini, settings, message, field):
    with pytest.raises(InputError, match=message) as caught:
        head_circuit(mini, **settings)
    assert caught.value.field == field
