"""Every analysis, asked of a model of every kind, gives a result or a sentence of our own."""

import pytest
import torch
import transformers

from mi_core.analyses._index import analysis_names, parameters
from mi_core.analyses.ablated_text import ablated_text
from mi_core.analyses.ablation import ablation
from mi_core.analyses.counterpart import counterpart
from mi_core.analyses.patching import patching
from mi_core.analyses.path_patching import path_patching
from mi_core.analyses.steering import steering
from mi_core.editing.overlay import with_changes
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.text.generation import generate
from tests.conftest import _tokenizer
from tests.core.questions import ASKED, CONTRAST, CORRUPTED, PROMPT, refusal
from tests.core.sae_folders import save_sae
from tests.families import FAMILIES, family


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    folder = family(tmp_path_factory.mktemp("family") / "model", request.param, _tokenizer())
    for layer in (0, 1):
        save_sae(folder, hooks.resid_pre(layer), "topk")
    return load(str(folder))


def test_every_analysis_of_a_model_is_asked():
    assert set(ASKED) == {name for name in analysis_names() if "model" in parameters(name)}


@pytest.mark.slow
def test_every_analysis_answers_or_says_why_not(model, unchecked_shapes):
    failed = []
    for name, questions in ASKED.items():
        for settings in questions:
            try:
                refusal(model, name, settings)
            except Exception as error:  # all of them are listed
                failed.append(f"{name} {settings}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)


def _model(folder):
    """The plain model."""
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()


def test_text_without_an_mlp_whose_rows_and_positions_are_one_axis(tmp_path):
    folder = family(tmp_path / "model", "opt, no weights in norms", _tokenizer())
    model, plain = load(str(folder)), _model(folder)
    found = ablated_text(model, PROMPT, without=("MLP 1",), mode="zero", max_new_tokens=6)
    ids = list(model.tokens(PROMPT).ids)
    plain.model.decoder.layers[1].fc2.register_forward_hook(lambda module, args, out: torch.zeros_like(out))
    n_prompt = len(ids)
    while len(ids) < n_prompt + 6:
        ids.append(int(plain(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    right = model.tokenizer.decode(ids)[len(model.tokenizer.decode(ids[:n_prompt])) :]
    assert found.texts[1] == right


def test_heads_of_another_width_than_their_values_are_absent(tmp_path):
    model = load(str(family(tmp_path / "model", "deepseek_v3", _tokenizer())))
    assert {"z", "q", "k", "v"} <= set(model.opening.unread)
    with pytest.raises(InputError, match="not the model's own numbers"):
        patching(model, PROMPT, corrupted=CORRUPTED, site="head")


def test_tokens_that_every_layer_reads_anew_are_told(tmp_path):
    model = load(str(family(tmp_path / "model", "gemma4_text", _tokenizer())))
    assert not model.opening.tokens_once
    assert "read the tokens again" in model.opening.sentences()[1]
    names = [check.name for check in patching(model, PROMPT, corrupted=CORRUPTED).checks]
    assert "patching nothing changes nothing" in names and "patching everything gives the other run" not in names


def test_queries_that_hold_their_gates_too_are_absent(tmp_path):
    model = load(str(family(tmp_path / "model", "qwen3_next", _tokenizer())))
    assert "q" in model.opening.unread and not {"z", "k", "v"} & set(model.opening.unread)
    with pytest.raises(InputError, match="queries of .* are not the model's own numbers"):
        patching(model, PROMPT, corrupted=CORRUPTED, site="q")


def test_an_edited_model_reads_as_far_as_before(tmp_path):
    model = load(str(family(tmp_path / "model", "mpt", _tokenizer())))
    assert model.n_ctx == with_changes(model, [], "another").n_ctx == 64


def test_rows_that_meet_at_the_same_experts_are_not_promised_bit_for_bit(tmp_path):
    for name, promised in (("mixtral", False), ("granitemoe", False), ("opt, no weights in norms", True)):
        model = load(str(family(tmp_path / name, name, _tokenizer())))
        checks = [check.name for check in steering(model, PROMPT, **CONTRAST, layer=1, max_new_tokens=1).checks]
        assert any("bit for bit" in name for name in checks) == promised


# Factors of positions that depend on the length ------------------------------------------------------------------


@pytest.fixture(scope="module")
def longrope(tmp_path_factory):
    """The folder of a model that reads more than 12 tokens with other factors, and that model."""
    folder = family(tmp_path_factory.mktemp("longrope") / "model", "phi3, factors by length", _tokenizer())
    return folder, load(str(folder))


def _plainly(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return lambda ids: model.eval()(torch.tensor([ids]), use_cache=False).logits[0].detach()


def test_a_part_that_is_read_otherwise_than_the_whole_is_refused(longrope):
    folder, model = longrope
    ids, plain = model.tokens(PROMPT).ids, _plainly(folder)
    assert model.turns_at == 12 < len(ids)
    assert not torch.allclose(plain(ids)[5], plain(ids[:6])[5], atol=1e-2)  # why
    for ask in (ablation, counterpart):
        with pytest.raises(InputError, match="prompts of more than 12 tokens with other factors"):
            ask(model, PROMPT, pos=5)
    for ask in (patching, path_patching):
        with pytest.raises(InputError, match="prompts of more than 12 tokens with other factors"):
            ask(model, PROMPT, corrupted=CORRUPTED, pos=5)


@pytest.mark.parametrize(("prompt", "pos"), [(PROMPT, None), (PROMPT, 12), (" the cat sat on the dog", 3)])
def test_a_part_that_is_read_as_the_whole_is_run(longrope, prompt, pos):
    folder, model = longrope
    found = ablation(model, prompt, pos=pos, layer=1)
    own = _plainly(folder)(found.tokens.ids)[found.pos]
    assert found.plain == pytest.approx(float(own[found.target.token_id]), abs=1e-3)
    assert all(check.passed for check in found.checks)


def test_text_goes_on_past_the_turn_as_the_plain_model_writes_it(longrope):
    folder, model = longrope
    plain, prompt = _plainly(folder), list(model.tokens(" the cat sat on").ids)
    ids, ends = list(prompt), model.tokenizer.eos_token_id
    while len(ids) < 20:
        ids.append(int(plain(ids)[-1].argmax()))
    written = [step.ids[0] for step in generate(model, prompt, 1, max_new_tokens=20 - len(prompt))]
    assert ends not in ids[len(prompt) :] and written == ids[len(prompt) :]
