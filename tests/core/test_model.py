"""The model's doors against plain transformers: rows of ids, a run that goes on, weights per head, ids of text."""

import pytest
import torch
from transformers import DynamicCache

from mi_core.errors import InputError
from mi_core.models import hooks
from tests.core.plain_hooks import hooks_left
from tests.core.plain_reference import attention_of, blocks, d_head, mlp_writer, plain, w_o
from tests.core.plain_reference import values as plain_values

ROWS = [[5, 9, 30, 7, 11], [80, 3, 3, 250, 12], [1, 2, 3, 4, 5]]


def test_rows_of_ids_are_the_plain_models_runs(tiny_model, hf_model, architecture):
    model, hf = tiny_model(architecture), hf_model(architecture)
    names = [*model.resid_names(), hooks.z(1), hooks.pattern(2)]
    acts = model.run_ids(model.rows(ROWS), names, "all")
    for row, ids in enumerate(ROWS):
        reference = plain(hf, ids)
        torch.testing.assert_close(acts.logits[row], reference.logits, atol=1e-4, rtol=1e-4)
        for name, resid in zip(model.resid_names(), reference.resid, strict=True):
            torch.testing.assert_close(acts[name][row], resid, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(acts[hooks.z(1)][row], reference.z[1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(acts[hooks.pattern(2)][row], reference.attention[2], atol=1e-5, rtol=1e-4)
    assert acts.logits.shape == (3, 5, model.d_vocab)
    for which, pos in (("last", -1), (2, 2)):
        some = model.run_ids(model.rows(ROWS), logits=which).logits
        torch.testing.assert_close(some, acts.logits[:, pos, None], atol=1e-4, rtol=1e-4)
    one = model.run_ids(model.rows(ROWS), [hooks.pattern(2)], query=3)
    assert torch.equal(one[hooks.pattern(2)], acts[hooks.pattern(2)][:, :, 3:4])


def test_a_change_is_what_a_plain_torch_hook_does_and_is_kept(tiny_model, hf_model, architecture):
    model, hf, held = tiny_model(architecture), hf_model(architecture), hooks_left(tiny_model(architecture))
    halved = {hooks.mlp_out(1): lambda value, hook: value / 2}
    acts = model.run_ids(model.rows(ROWS), [hooks.mlp_out(1), hooks.resid_post(1)], changes=halved)
    kept = []

    def half(module, args, out):
        kept.append(out / 2)
        return out / 2

    handle = mlp_writer(hf, 1).register_forward_hook(half)
    expected = hf(torch.tensor(ROWS)).logits[:, -1]
    handle.remove()
    torch.testing.assert_close(acts.logits[:, -1], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(acts[hooks.mlp_out(1)], kept[0], atol=1e-4, rtol=1e-4)
    assert hooks_left(model) == held
    assert not torch.allclose(model.run_ids(model.rows(ROWS)).logits[:, -1], expected, atol=1e-3)


def test_gradients_are_there_for_what_asks_for_them(tiny_model, hf_model, architecture):
    model, hf = tiny_model(architecture), hf_model(architecture)
    start = {hooks.resid_pre(1): lambda x, hook: x.detach().requires_grad_(True)}
    acts = model.run_ids(model.rows(ROWS), [hooks.resid_pre(1), hooks.z(1)], changes=start)
    along_z = torch.autograd.grad(acts.logits[:, -1, 7].sum(), acts[hooks.z(1)], retain_graph=True)[0]
    assert along_z.shape == (3, 5, model.n_heads, model.d_model // model.n_heads) and float(along_z.abs().max()) > 0
    found = torch.autograd.grad(acts.logits[:, -1, 7].sum(), acts[hooks.resid_pre(1)])[0]
    seen = []

    def begin(block, args, kwargs):
        x = (args[0] if args else kwargs["hidden_states"]).detach().requires_grad_(True)
        seen.append(x)
        return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

    handle = blocks(hf)[1].register_forward_pre_hook(begin, with_kwargs=True)
    expected = torch.autograd.grad(hf(torch.tensor(ROWS)).logits[:, -1, 7].sum(), seen)[0]
    handle.remove()
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-3)
    assert not model.run_ids(model.rows(ROWS), [hooks.resid_pre(1)]).logits.requires_grad


def test_a_run_goes_on_where_it_stopped(tiny_model, hf_model, architecture):
    model, hf = tiny_model(architecture), hf_model(architecture)
    cache, ids = DynamicCache(config=model.hf_model.config), model.rows(ROWS)
    parts = [
        model.run_on(ids[:, :2], cache, "all"),
        model.run_on(ids[:, 2:4], cache, "all"),
        model.run_on(ids[:, 4:], cache),
    ]
    torch.testing.assert_close(torch.cat(parts, 1), hf(ids).logits, atol=1e-4, rtol=1e-4)
    assert cache.get_seq_length() == 5


def hf_projections(hf, layer):
    """W_Q, W_K and W_V as transformers stores them, [head or kv_head, d_head, d_model]."""
    attention, n_heads, d = attention_of(hf, layer), hf.config.num_attention_heads, d_head(hf)
    if hf.config.model_type == "gpt2":
        return [part.T.reshape(n_heads, d, -1) for part in attention.c_attn.weight.chunk(3, dim=1)]
    if hf.config.model_type == "gpt_neox":
        return attention.query_key_value.weight.reshape(n_heads, 3, d, -1).unbind(1)
    modules = attention.q_proj, attention.k_proj, attention.v_proj
    return [module.weight.reshape(-1, d, module.in_features) for module in modules]


def test_weights_per_head_are_those_of_transformers(tiny_model, hf_model, architecture):
    model, hf = tiny_model(architecture), hf_model(architecture)
    for layer in range(model.n_layers):
        for found, stored in zip((model.w_q, model.w_k, model.w_v), hf_projections(hf, layer), strict=True):
            assert found(layer).shape == (model.n_heads, model.d_model, model.d_model // model.n_heads)
            for head in range(model.n_heads):
                assert torch.equal(found(layer)[head], stored[head * len(stored) // model.n_heads].T)


def test_values_are_what_their_weights_make_of_what_attention_reads(tiny_model, hf_model, architecture):
    """v − b_V is linear in what enters: two inputs differ by W_V times their difference."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    names = {"gpt2": "c_attn", "gpt_neox": "query_key_value"}
    module = getattr(attention_of(hf, 1), names.get(hf.config.model_type, "v_proj"))
    x = torch.randn(2, model.d_model, generator=torch.Generator().manual_seed(0))
    v = plain_values(hf, 1, {("v", 1): module(x)})
    expected = torch.einsum("d,hde->he", x[1] - x[0], model.w_v(1))
    torch.testing.assert_close(v[1] - v[0], expected, atol=1e-4, rtol=1e-4)


def test_what_heads_write_through_is_plain_transformers_own(tiny_model, hf_model, architecture):
    ours, theirs = tiny_model(architecture).w_o(1), w_o(hf_model(architecture), 1)
    torch.testing.assert_close(ours.flatten(0, 1), theirs, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["w_q", "w_k", "w_v"])
def test_there_are_no_weights_of_other_layers_or_of_other_kinds_of_attention(tiny_model, monkeypatch, name):
    model = tiny_model("llama")
    with pytest.raises(InputError, match="no layer 3"):
        getattr(model, name)(3)
    monkeypatch.setattr(type(model.bridge.blocks[0].attn), name.upper(), None)
    with pytest.raises(InputError, match=f"has no {name.upper()} of each head: choose another model"):
        getattr(model, name)(0)


def test_ids_of_text_are_all_but_the_special_ones(tiny_model, mini, architecture):
    model = tiny_model(architecture)
    assert len(model.tokenizer) < model.d_vocab  # rows that no text is read as
    assert model.text_ids == tuple(range(1, len(model.tokenizer)))
    assert all(mini.tokenizer.decode([i], skip_special_tokens=True) for i in mini.text_ids)
    others = set(range(mini.d_vocab)) - set(mini.text_ids)
    assert others == set(mini.tokenizer.all_special_ids) | set(range(len(mini.tokenizer), mini.d_vocab))


@pytest.mark.parametrize(("text", "said"), [("  ", "is empty"), ("word " * 100, "shorten it by")])
def test_a_text_that_cannot_be_read_is_said_of_its_field(tiny_model, text, said):
    with pytest.raises(InputError, match=said) as raised:
        tiny_model("gpt2").tokens(text, field="corrupted")
    assert raised.value.field == "corrupted"
    with pytest.raises(InputError, match=said) as raised:
        tiny_model("gpt2").tokens(text)
    assert raised.value.field == "prompt"
