"""A direction taken out of every matrix that writes, against plain transformers edited by hand."""

import copy

import pytest
import torch
from torch.nn import Parameter

from mi_core.editing import orthogonalise
from mi_core.editing.orthogonalise import largest_share, removal, writers
from mi_core.editing.overlay import with_edit
from mi_core.editing.recipes import Orthogonalise
from mi_core.errors import InputError
from tests.core.plain_reference import o_projection, plain

PROMPT = " the cat sat on the dog"


def numbers(model, seed=0) -> Orthogonalise:
    values = torch.randn(model.d_model, generator=torch.Generator().manual_seed(seed))
    return Orthogonalise("vector", vector=", ".join(f"{value:.6f}" for value in values.tolist()))


def unit_of(edit) -> torch.Tensor:
    values = torch.tensor([float(word) for word in edit.vector.split(",")], dtype=torch.float64)
    return values / values.norm()


def by_hand(hf, unit):
    """A copy of the plain model with the direction projected out of everything that writes."""
    hf, kind = copy.deepcopy(hf), hf.config.model_type
    inner = getattr(hf, {"gpt2": "transformer", "gpt_neox": "gpt_neox"}.get(kind, "model"))
    head = hf.get_output_embeddings()
    head.weight = Parameter(head.weight.clone(), requires_grad=False)  # whatever was tied is not any more
    tables = [hf.get_input_embeddings()] + ([inner.wpe] if kind == "gpt2" else [])
    for table in tables:
        table.weight.data = (table.weight.double() - torch.outer(table.weight.double() @ unit, unit)).float()
    for layer, block in enumerate(inner.h if kind == "gpt2" else inner.layers):
        last = {"gpt2": "c_proj", "gpt_neox": "dense_4h_to_h"}.get(kind, "down_proj")
        for module, norm in ((o_projection(hf, layer), "post_attention_layernorm"),
                             (getattr(block.mlp, last), "post_feedforward_layernorm")):  # fmt: skip
            d = unit * (1 + getattr(block, norm).weight.double()) if kind == "gemma2" else unit
            d = d / d.norm()
            W = (module.weight.T if kind == "gpt2" else module.weight).double()
            W = W - torch.outer(d, d @ W)
            module.weight.data = (W.T if kind == "gpt2" else W).float().contiguous()
            if module.bias is not None:
                module.bias.data = (module.bias.double() - d * (d @ module.bias.double())).float()
    return hf


def test_it_is_the_plain_model_edited_by_hand(tiny_model, hf_model, architecture):
    model = tiny_model(architecture)
    edit = numbers(model)
    other = with_edit(model, edit).model
    tokens = model.tokens(PROMPT)
    reference = plain(by_hand(hf_model(architecture), unit_of(edit)), tokens.ids)
    torch.testing.assert_close(other.run(tokens, logits="all").logits, reference.logits, atol=2e-4, rtol=2e-4)
    for layer, resid in enumerate(reference.resid):
        along = (resid.double() @ unit_of(edit)).abs() / resid.double().norm(dim=-1)
        assert float(along.max()) < 1e-5, layer
    before = plain(hf_model(architecture), tokens.ids)
    assert max(float((resid.double() @ unit_of(edit)).abs().max()) for resid in before.resid) > 0.1
    assert float((before.logits - reference.logits).abs().max()) > 1e-2


def test_no_weight_writes_along_it_and_every_check_holds(tiny_model, architecture):
    model = tiny_model(architecture)
    edit = numbers(model, 1)
    one = with_edit(model, edit)
    written = list(writers(one.model, one.how.direction.unit))
    assert len(written) == 2 * model.n_layers + (2 if architecture == "gpt2" else 1)
    for module, unit in written:
        matrix = orthogonalise._matrix(module).double()
        assert float((matrix @ unit).abs().max()) <= 1e-5
        if getattr(module, "bias", None) is not None:
            assert float((module.bias.double() @ unit).abs()) <= 1e-5
    assert all(check.passed for check in one.checks)
    assert largest_share(one.model, one.how.direction.unit) <= 1e-5 < largest_share(model, one.how.direction.unit)
    with pytest.raises(InputError, match="writes to its residual stream in a way that this edit cannot reach"):
        one.how.checks(model)


def test_the_unembedding_and_the_norms_keep_their_weights(tiny_model, architecture):
    model = tiny_model(architecture)
    other = with_edit(model, numbers(model)).model
    assert other.bridge.unembed.original_component.weight is model.bridge.unembed.original_component.weight
    assert other.final_norm.weight.equal(model.final_norm.weight)
    assert other.bridge.embed.original_component.weight is not model.bridge.embed.original_component.weight


def test_taking_it_out_twice_changes_nothing_more(mini):
    edit = Orthogonalise("token:Austin")
    once = with_edit(mini, edit).model
    twice = with_edit(once, edit).model
    tokens = mini.tokens("The capital of Texas is")
    one, two = (model.run(tokens).logits for model in (once, twice))
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_where_directions_come_from(mini):
    feature = removal(mini, Orthogonalise("feature:3")).direction
    assert feature.feature == 3 and float(feature.unit.norm()) == pytest.approx(1, abs=1e-5)
    contrast = removal(mini, Orthogonalise("contrast", positive="I loved it.", negative="I hated it.")).direction
    assert contrast.layer == mini.n_layers // 2
    pasted = removal(mini, Orthogonalise("vector", vector="[" + " ".join(["2"] * 128) + "]")).direction
    torch.testing.assert_close(pasted.unit, torch.full((128,), 128**-0.5))


@pytest.mark.parametrize(
    ("edit", "field", "said"),
    [
        (Orthogonalise("sideways"), "direction", "“sideways” is no direction: write feature:123, token:Paris"),
        (Orthogonalise("feature:99999"), "direction", "no feature"),
        (Orthogonalise("feature:x"), "direction", "names no feature"),
        (Orthogonalise("token:Washingtonian"), "token", "tokens for this model"),
        (Orthogonalise("contrast"), "positive", "positive prompts are empty"),
        (Orthogonalise("vector", vector="1 2 3"), "vector", "There are 3 numbers, and loupe-mini is 128 wide"),
        (Orthogonalise("vector", vector="1, two"), "vector", r"“two” \(number 2\) is not a number"),
        (Orthogonalise("vector", vector="0 " * 128), "vector", "All numbers are 0"),
        (Orthogonalise("vector", vector="nan " * 128), "vector", "is not a number"),
    ],
)
def test_what_is_no_direction_gets_a_sentence(mini, edit, field, said):
    with pytest.raises(InputError, match=said) as raised:
        removal(mini, edit)
    assert raised.value.field == field


def test_a_model_that_writes_through_more_than_one_matrix_is_refused(tiny_model):
    model = tiny_model("llama")
    with pytest.raises(InputError, match="attention of layer 0 does not write through one matrix"):
        orthogonalise._plain(model, None, "attention of layer 0")
