"""Models that have attention in some layers only: heads where there are heads, the rest as plain transformers do."""

import numpy as np
import pytest
import torch
import transformers

from mi_core.analyses.ablation import ablation
from mi_core.analyses.attention import attention
from mi_core.analyses.attribution import attribution
from mi_core.analyses.patching import patching
from mi_core.analyses.path_patching import path_patching
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.text.generation import generate
from tests.conftest import _tokenizer
from tests.core.questions import CORRUPTED, PROMPT
from tests.families import family

CLOSE = {"rtol": 0, "atol": 1e-3}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A model whose layers 0 and 2 have convolutions in attention's place, and that model by transformers alone."""
    folder = family(tmp_path_factory.mktemp("hybrid") / "lfm2", "lfm2", _tokenizer())
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return load(str(folder)), plain.eval().requires_grad_(False)


def _logits(plain, ids, *handles):
    try:
        return plain(torch.tensor([list(ids)]), use_cache=False).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()


def _instead(module, value):
    return module.register_forward_hook(lambda module, args, out: value(out))


def test_it_says_which_layers_have_something_else(opened):
    model, _ = opened
    assert model.opening.headless == (0, 2) and model.layers(hooks.z) == (1,)
    assert "2 of its layers have something else in attention's place" in model.opening.sentences()[1]


def test_heads_are_swept_where_there_are_heads(opened):
    model, plain = opened
    found = ablation(model, PROMPT, site="head", mode="zero")
    assert found.components == ("L1H0", "L1H1", "L1H2", "L1H3")
    for head, value in enumerate(found.value):

        def silence(module, args, head=head):
            x = args[0].clone()
            x[..., head * 8 : head * 8 + 8] = 0
            return (x,)

        module = plain.model.layers[1].self_attn.out_proj
        own = _logits(plain, found.tokens.ids, module.register_forward_pre_hook(silence))
        assert value == pytest.approx(float(own[found.target.token_id]), abs=1e-3)


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: ablation(model, PROMPT, site="head", layer=2, mode="zero"),
        lambda model: attention(model, PROMPT, layer=2),
        lambda model: attribution(model, PROMPT, layer=2),
        lambda model: path_patching(model, PROMPT, corrupted=CORRUPTED, receiver="L2H1"),
    ],
)
def test_a_layer_without_heads_is_told(opened, ask):
    with pytest.raises(InputError, match=r"has no (heads|attention weights) of layer 2: choose layer 1\."):
        ask(opened[0])


def test_what_stands_in_attentions_place_is_knocked_out_as_attention(opened):
    model, plain = opened
    found = ablation(model, PROMPT, site="attn_out", mode="zero")
    assert found.components == ("attention 0", "attention 1", "attention 2")
    for layer in (0, 2):
        handle = _instead(plain.model.layers[layer].conv, torch.zeros_like)
        own = _logits(plain, found.tokens.ids, handle)
        assert found.value[layer] == pytest.approx(float(own[found.target.token_id]), abs=1e-3)


def test_a_logit_is_the_sum_of_its_parts(opened):
    model, plain = opened
    found = attribution(model, PROMPT)
    own = _logits(plain, found.tokens.ids)
    assert float(found.contribution.sum()) == pytest.approx(float(own[found.target.token_id]), abs=1e-3)
    assert found.whole_layers == (0, 2) and found.kinds.count("head") == 4
    written = []
    handle = plain.model.layers[2].conv.register_forward_hook(lambda module, args, out: written.append(out[0, -1]))
    final = []
    norm = plain.model.embedding_norm
    last = norm.register_forward_pre_hook(lambda module, args: final.append(args[0][0, -1]))
    _logits(plain, found.tokens.ids, handle, last)
    scale = final[0].square().mean().add(norm.variance_epsilon).sqrt()
    by_hand = (written[0] * norm.weight / scale) @ plain.lm_head.weight[found.target.token_id]
    assert found.contribution[found.components.index("attention 2")] == pytest.approx(float(by_hand), abs=1e-3)


def test_maps_have_the_layers_that_have_what_is_patched(opened):
    model, _ = opened
    heads = patching(model, PROMPT, corrupted=CORRUPTED, site="head")
    assert heads.value.shape == (1, 4) and set(heads.tables()["effects"]["layer"]) == {1}
    assert "L1H" in heads.reading().title + heads.reading().sentences[1]
    whole = patching(model, PROMPT, corrupted=CORRUPTED, site="attn_out")
    assert whole.value.shape[0] == 3


def test_a_path_holds_what_stands_in_attentions_place(opened):
    model, plain = opened
    found = path_patching(model, PROMPT, corrupted=CORRUPTED)
    seen = {}

    def keep(name, at=-1):
        return lambda module, args: seen.__setitem__((name, at), args[0].clone())

    o_proj, conv = plain.model.layers[1].self_attn.out_proj, plain.model.layers[2].conv
    held = []
    handle = conv.register_forward_hook(lambda module, args, out: held.append(out.clone()))
    _logits(plain, found.corrupted_tokens.ids, handle)
    _logits(plain, found.tokens.ids, o_proj.register_forward_pre_hook(keep("clean")))
    for head in range(4):

        def send(module, args, head=head):
            x = args[0].clone()
            x[..., head * 8 : head * 8 + 8] = seen["clean", -1][..., head * 8 : head * 8 + 8]
            return (x,)

        own = _logits(
            plain, found.corrupted_tokens.ids,
            o_proj.register_forward_pre_hook(send), _instead(conv, lambda out: held[0]),
        )  # fmt: skip
        foil = 0 if found.target.foil_id is None else own[found.target.foil_id]
        np.testing.assert_allclose(found.value[head], float(own[found.target.token_id] - foil), **CLOSE)


def test_paths_are_refused_where_states_run_beside_attention(tmp_path):
    model = load(str(family(tmp_path / "falcon_h1", "falcon_h1", _tokenizer())))
    assert not model.opening.attention_alone
    with pytest.raises(InputError, match="positions learn of one another beside attention too"):
        path_patching(model, PROMPT, corrupted=CORRUPTED)


def test_text_is_the_plain_models(opened):
    model, plain = opened
    ids = list(model.tokens(PROMPT).ids)
    written = [step.ids for step in generate(model, ids, 2, max_new_tokens=5)]
    for _ in range(5):
        ids.append(int(_logits(plain, ids).argmax()))
    assert written == [(token, token) for token in ids[-5:]]
