"""Composition against TransformerLens' own scores; chance and its spread against random weights."""

import numpy as np
import pytest
import torch

from mi_core.analyses.composition import composition
from mi_core.errors import InputError
from mi_core.heads import composition as pairs
from mi_core.heads.weights import HeadWeights
from tests.core.plain_reference import attention_of, blocks, d_head, norm_weight

FIGURES = [((0, 0, 1, 1), 0.182), ((0, 0, 1, 0), 0.179), ((0, 0, 1, 3), 0.169), ((0, 0, 1, 2), 0.155)]


def named(found):
    """(kind, from_layer, from_head, to_layer, to_head) → row."""
    rows = found.tables()["scores"]
    return rows.set_index(["kind", "from_layer", "from_head", "to_layer", "to_head"])


@pytest.mark.parametrize("kind", "QKV")
def test_equals_transformer_lens(architecture, tiny_model, kind):
    model = tiny_model(architecture)
    reference = model.bridge.all_composition_scores(kind).scores
    found = named(composition(model))
    for (own, *pair), row in found.iterrows():
        if own == kind:
            assert row.score == pytest.approx(float(reference[tuple(pair)]), abs=1e-5)
    assert len(found) == 3 * 3 * 16, "three kinds, three pairs of layers"


def test_the_built_in_models_figures(mini):
    found = composition(mini)
    assert found.chance == pytest.approx(0.088, abs=5e-4)
    keys = found.tables()["scores"].query("kind == 'K'").sort_values("score", ascending=False)
    top = [(tuple(row[1:5]), row[5]) for row in keys.head(4).itertuples(index=False)]
    assert [pair for pair, _ in top] == [pair for pair, _ in FIGURES]
    assert [score for _, score in top] == pytest.approx([score for _, score in FIGURES], abs=5e-4)
    assert keys.iloc[4].score == pytest.approx(0.132, abs=5e-4)
    four = named(found).loc[[("K", *pair) for pair, _ in FIGURES]]
    assert (four.sd_above_chance > 15).all(), "the four feed the induction heads"
    assert found.turned < 5 and all(check.passed for check in found.checks)
    reading = found.reading()
    assert reading.title.startswith("L0H3 writes what L1H3’s values read: 35 standard deviations")
    assert any("Keys: L0H0 → L1H1 (32), L0H0 → L1H0 (31) and L0H0 → L1H3 (27)." in s for s in reading.sentences)


@pytest.mark.parametrize(("d_model", "d_head"), [(128, 32), (96, 8)])
def test_random_weights_score_chance_with_the_spread_that_is_foretold(d_model, d_head):
    torch.manual_seed(0)
    reads = (torch.randn(40, d_model, d_head) for _ in range(3))
    heads = [HeadWeights(*reads, torch.randn(40, d_head, d_model))]
    first, seconds = pairs.writing(heads), [pairs.reading(heads, kind) for kind in pairs.KINDS]
    *_, (done, total, squares) = pairs.squared_norms(first, seconds)
    apart = ~torch.eye(40, dtype=torch.bool)
    found = pairs.scores(squares, first, seconds)[:, apart]
    spread = pairs.spread(first, seconds, d_model)[:, apart]
    above = (found - pairs.chance(d_model)) / spread
    assert done == total == d_model
    assert above.mean().abs() < 0.1, "the mean of a root is below the root of the mean, by less than this"
    assert above.std() == pytest.approx(1, abs=0.1) and above.abs().max() < 5


def test_blocks_of_rows_change_nothing(tiny_model, monkeypatch):
    model = tiny_model("llama")
    whole = composition(model)
    monkeypatch.setattr(pairs, "MOST_BYTES", 1)
    seen = []
    one_by_one = composition(model, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(one_by_one.score, whole.score, atol=1e-6)
    assert seen[0] == (1, 32) and seen[-1] == (32, 32)


def test_folded_gains_are_those_of_the_norm_before(tiny_model, hf_model):
    """By hand for a Llama: every reading matrix has its rows times the norm's weight."""
    model, hf = tiny_model("llama"), hf_model("llama")
    found = named(composition(model, gains="folded")).loc[("V", 0, 1, 2, 3)].score

    def ov(layer, head):
        attn, d = attention_of(hf, layer), d_head(hf)
        gain = norm_weight(hf, blocks(hf)[layer].input_layernorm)
        w_v = attn.v_proj.weight.T[:, head // 2 * d : (head // 2 + 1) * d] * gain[:, None]
        return w_v @ attn.o_proj.weight.T[head * d : (head + 1) * d]

    one, other = ov(0, 1), ov(2, 3)
    assert found == pytest.approx(float((one @ other).norm() / (one.norm() * other.norm())), abs=1e-5)


def test_gains_are_raw_or_folded(mini):
    with pytest.raises(InputError, match="“unit” is no way to take the weights: use raw or folded") as caught:
        composition(mini, gains="unit")
    assert caught.value.field == "gains"
