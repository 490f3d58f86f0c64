"""Contributions against writes formed by hand from transformers' weights, and against the logit they must sum to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.attribution import attribution
from mi_core.analyses.logit_lens import logit_lens
from mi_core.errors import InputError
from mi_core.models.loading import load
from tests.core.plain_reference import blocks, d_head, final_norm, normalise, o_projection, plain, w_o

PROMPT = " the cat sat on the dog, é"
NAMES = "When Mary and John went to the store, John gave a drink to"
PAIRS = [("cat", None), ("cat", "dog")]


class ByHand:
    """Every write of one run through the final norm with its scale held, dotted with the unembedding."""

    def __init__(self, hf, ids, pos: int, target: int, foil: int | None) -> None:
        self.hf, self.run, self.pos = hf, plain(hf, ids), pos
        rows = hf.get_output_embeddings().weight
        self.direction = rows[target] - (0 if foil is None else rows[foil])

    def of(self, write):
        """The contribution of a vector written at `pos`."""
        at = self.run.resid[-1][self.pos]
        return float(normalise(self.hf, final_norm(self.hf), write, at=at) @ self.direction)

    def through_attention(self, layer: int, write):
        """What of a write by O reaches the stream: Gemma 2 normalises it first, with the whole output's scale."""
        if self.hf.config.model_type != "gemma2":
            return write
        module = blocks(self.hf)[layer].post_attention_layernorm
        return normalise(self.hf, module, write, at=self.run.o[layer][self.pos])

    def head(self, layer: int, head: int, key: int | None = None):
        d = d_head(self.hf)
        z = self.run.z[layer][self.pos, head]
        if key is not None:
            z = self.run.attention[layer, head, self.pos, key] * self.run.v[layer][key, head]
        return self.of(self.through_attention(layer, z @ w_o(self.hf, layer)[head * d : (head + 1) * d]))

    def attention_bias(self, layer: int):
        bias = getattr(o_projection(self.hf, layer), "bias", None)
        return None if bias is None else self.of(self.through_attention(layer, bias))

    def expected(self) -> dict[str, float]:
        n_layers, n_heads = self.run.attention.shape[:2]
        values = {}
        if self.hf.config.model_type == "gpt2":
            where = self.hf.transformer.wpe.weight[self.pos]
            values["positional embedding"] = self.of(where)
            values["embedding"] = self.of(self.run.resid[0][self.pos] - where)
        else:
            values["embedding"] = self.of(self.run.resid[0][self.pos])
        for layer in range(n_layers):
            values |= {f"L{layer}H{head}": self.head(layer, head) for head in range(n_heads)}
            values[f"MLP {layer}"] = self.of(self.run.mlp[layer][self.pos])
            if (bias := self.attention_bias(layer)) is not None:
                values[f"attention bias {layer}"] = bias
        if getattr(final_norm(self.hf), "bias", None) is not None:
            values["final norm bias"] = float(final_norm(self.hf).bias @ self.direction)
        return values


def by_component(found) -> dict[str, float]:
    return dict(zip(found.components, found.contribution.tolist(), strict=True))


@pytest.mark.parametrize(("target", "foil"), PAIRS)
@pytest.mark.parametrize("pos", [None, 3])
def test_every_component_equals_its_write_by_hand(architecture, tiny_model, hf_model, target, foil, pos):
    found = attribution(tiny_model(architecture), PROMPT, target=target, foil=foil, pos=pos)
    hand = ByHand(hf_model(architecture), found.tokens.ids, found.pos, found.target.token_id, found.target.foil_id)
    assert by_component(found) == pytest.approx(hand.expected(), rel=1e-3, abs=1e-3)


def test_every_component_of_the_built_in_model(mini, hf_model):
    found = attribution(mini, NAMES, target="Mary", foil="John")
    hand = ByHand(hf_model("loupe-mini"), found.tokens.ids, found.pos, found.target.token_id, found.target.foil_id)
    assert by_component(found) == pytest.approx(
        {name: value for name, value in hand.expected().items() if value != 0}, rel=1e-3, abs=1e-3
    )


@pytest.mark.parametrize(("target", "foil"), PAIRS)
def test_the_sum_is_the_logit_of_transformers(architecture, tiny_model, hf_model, target, foil):
    found = attribution(tiny_model(architecture), PROMPT, target=target, foil=foil)
    hf = hf_model(architecture)
    with torch.no_grad():
        uncapped = hf.get_output_embeddings()(final_norm(hf)(plain(hf, found.tokens.ids).resid[-1][-1]))
    expected = uncapped[found.target.token_id] - (0 if foil is None else uncapped[found.target.foil_id])
    assert found.contribution.sum() == pytest.approx(float(expected), abs=1e-3)
    assert found.total == pytest.approx(float(expected), abs=1e-4)
    assert found.checks[0].passed and found.checks[1].passed
    assert found.checks[0].name.endswith("logit" if foil is None else "logit difference")


def test_capped_logits_are_split_before_the_cap(tiny_model, hf_model):
    found = attribution(tiny_model("gemma2"), PROMPT)
    after = float(plain(hf_model("gemma2"), found.tokens.ids).logits[-1, found.target.token_id])
    assert 30 * np.tanh(found.total / 30) == pytest.approx(after, abs=1e-3)
    assert abs(found.total - after) > 0.01
    assert found.units == "logits, before the soft cap" and found.capped
    assert "from before that" in found.reading().sentences[-1]


def test_a_target_that_is_not_given_is_the_top_guess_at_the_position(mini, hf_model):
    found = attribution(mini, NAMES, pos=6)
    assert found.target.token_id == plain(hf_model("loupe-mini"), found.tokens.ids).logits[6].argmax()


@settings(max_examples=12, deadline=None)
@given(
    prompt=st.text("abcde THE.\n", min_size=1, max_size=30).filter(str.strip),
    target=st.integers(1, 3583),
    foil=st.integers(1, 3583),
    data=st.data(),
)
def test_the_sum_holds_for_any_prompt_and_target(mini, prompt, target, foil, data):
    n = len(mini.tokens(prompt))
    pos = data.draw(st.integers(0, n - 1))
    a, b = (f'"{mini.text(token_id)}"' for token_id in (target, foil))
    found = attribution(mini, prompt, target=a, foil=None if foil == target else b, pos=pos)
    assert found.contribution.sum() == pytest.approx(found.total, abs=1e-3)
    assert all(check.passed for check in found.checks)
    assert found.reading().title


# Groupings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [{}, {"layer": 1}, {"layer": 1, "head": 2}])
def test_heads_are_split_over_the_tokens_they_read(architecture, tiny_model, hf_model, chosen):
    found = attribution(tiny_model(architecture), PROMPT, target="cat", foil="dog", **chosen)
    hand = ByHand(hf_model(architecture), found.tokens.ids, found.pos, found.target.token_id, found.target.foil_id)
    layers = range(3) if "layer" not in chosen else [chosen["layer"]]
    heads = range(4) if "head" not in chosen else [chosen["head"]]
    expected = [sum(hand.head(a, b, key) for a in layers for b in heads) for key in range(len(found.tokens))]
    table = found.tables()["sources"]
    assert list(table.columns) == ["pos", "token", "layer", "head", "contribution"]
    np.testing.assert_allclose(table["contribution"], expected, rtol=1e-3, atol=1e-3)
    assert table["token"].tolist() == list(found.tokens.texts)
    for axis in ("layer", "head"):
        assert table[axis].isna().all() if axis not in chosen else (table[axis] == chosen[axis]).all()


def test_a_head_reads_nothing_after_the_position(mini):
    found = attribution(mini, NAMES, pos=5)
    assert (found.sources[:, :, 6:] == 0).all() and (found.sources[:, :, :6] != 0).all()


def test_layers_add_up_to_the_frozen_lens(architecture, tiny_model):
    """The running total after each block is what a lens with the final scale reads there."""
    model = tiny_model(architecture)
    found = attribution(model, PROMPT, target="cat")
    layers = found.tables()["layers"]
    assert list(layers.columns) == ["layer", "kind", "contribution", "cumulative"]
    assert layers["kind"].tolist() == ["attn", "mlp"] * 3
    if model.logit_cap is None:  # the lens shows capped logits
        lens = logit_lens(model, PROMPT, target="cat", norm="frozen").target_logit[1:, -1]
        np.testing.assert_allclose(layers["cumulative"][1::2], lens, atol=1e-3)
    assert layers["cumulative"].iloc[-1] == pytest.approx(found.total, abs=1e-3)


def test_contributions_are_a_tidy_table(mini):
    table = attribution(mini, NAMES).tables()["contributions"]
    assert list(table.columns) == ["component", "kind", "layer", "head", "contribution"]
    head = table[table.component == "L3H1"].iloc[0]
    assert (head.kind, head.layer, head["head"]) == ("head", 3, 1)
    assert (table.kind == "head").sum() == 16 and (table.kind == "mlp").sum() == 4
    assert table[table.component == "embedding"][["layer", "head"]].isna().all(axis=None)
    assert table[table.component == "MLP 2"].iloc[0].layer == 2


# What cannot be split ---------------------------------------------------------------------------------------------


def test_attention_that_heads_do_not_explain_is_shown_whole(tiny_folder):
    """A write that is not linear in the heads: found by measuring, whatever the architecture is called."""
    model = load(str(tiny_folder("llama")))
    o = model.bridge.blocks[1].attn.o.original_component
    o.register_forward_hook(lambda module, args, out: out.sin() + 0.5)
    found = attribution(model, PROMPT, target="cat")
    values = by_component(found)
    assert found.whole_layers == (1,)
    assert "attention 1" in values and "L1H0" not in values and "L0H0" in values and "L2H3" in values
    assert found.contribution.sum() == pytest.approx(found.total, abs=1e-3)
    assert all(check.passed for check in found.checks)
    assert "Attention in layer 1 cannot be split into heads" in found.reading().sentences[-1]


def test_the_generic_way_through_attention_gives_the_same(architecture, tiny_folder, tiny_model):
    """A hooked projection could do anything, so it is transposed by a backward pass instead of by its matrix."""
    model = load(str(tiny_folder(architecture)))
    for block in model.bridge.blocks:
        block.attn.o.original_component.register_forward_hook(lambda module, args, out: out)
    generic, fast = (attribution(each, PROMPT, target="cat") for each in (model, tiny_model(architecture)))
    assert generic.components == fast.components and generic.whole_layers == ()
    np.testing.assert_allclose(generic.contribution, fast.contribution, atol=1e-5)
    np.testing.assert_allclose(generic.sources, fast.sources, atol=1e-5)


# Words ------------------------------------------------------------------------------------------------------------


def test_the_reading_names_helper_opposer_and_origin(mini):
    found = attribution(mini, NAMES, target="Mary", foil="John")
    values = by_component(found)
    best, worst = max(values, key=values.get), min(values, key=values.get)
    title, sentences = found.reading().title, found.reading().sentences
    assert title == f"{best} favours “·Mary” over “·John” most: {values[best]:+.2f} logits"
    assert f"{worst} works against it most: −{-values[worst]:.2f}" in sentences[0]
    assert f"{found.total:+.2f}" in sentences[0] and "“·to” (position 14)" in sentences[0]
    source = int(found.sources.sum((0, 1)).argmax())
    assert f"(position {source})" in sentences[1]


def test_one_head_has_its_own_origin(mini):
    said = [attribution(mini, NAMES, target="Mary", layer=3, head=head).reading().sentences[1] for head in (2, 1)]
    assert said[0].startswith("L3H2 takes most in its favour from")
    assert said[1] == "L3H1 takes nothing in its favour from any token."


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"layer": 4}, "There is no layer 4", "layer"),
        ({"layer": 1, "head": 4}, "There is no head 4", "head"),
        ({"head": 1}, "A head belongs to a layer: choose the layer too", "layer"),
        ({"pos": 15}, "There is no position 15", "pos"),
        ({"target": "Mary", "foil": "Mary"}, "the same token", "foil"),
        ({"target": "antidisestablishment"}, "an answer is one", "target"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        attribution(mini, NAMES, **chosen)
    assert caught.value.field == field
