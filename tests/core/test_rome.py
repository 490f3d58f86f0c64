"""ROME against the formula worked out with plain transformers, and the identity W'k* = v* everywhere."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.editing import rome
from mi_core.editing.overlay import kept, with_edit
from mi_core.editing.recipes import Rome
from mi_core.editing.rome import RIDGE, ROWS, default_layer, rewrite, subject_span, whitened
from mi_core.errors import InputError
from mi_core.models import projection
from mi_core.text.sentences import sentences

PROMPT = "the cat sat on the dog"
BOSTON = Rome("The capital of Texas is", "Texas", "Boston", 0)


def fact(model) -> Rome:
    """A rewriting that a tiny random model can be made to learn: its second guess instead of its first."""
    odds = model.run(model.tokens(PROMPT)).logits[-1]
    return Rome(PROMPT, "the dog", f'"{model.text(int(odds.topk(2).indices[1]))}"', 0)


def plain_writer(hf, layer):
    names = {"gpt2": "c_proj", "gpt_neox": "dense_4h_to_h"}
    inner = getattr(hf, {"gpt2": "transformer", "gpt_neox": "gpt_neox"}.get(hf.config.model_type, "model"))
    block = (inner.h if hf.config.model_type == "gpt2" else inner.layers)[layer]
    return getattr(block.mlp, names.get(hf.config.model_type, "down_proj"))


def plain_keys(hf, layer, ids):
    seen = []
    handle = plain_writer(hf, layer).register_forward_pre_hook(lambda module, args: seen.append(args[0][0].clone()))
    hf(torch.tensor([list(ids)]))
    handle.remove()
    return seen[0]


def plain_text(hf, start, n_tokens):
    """The same texts, drawn without any cache."""
    random, rows = torch.Generator().manual_seed(0), torch.tensor([list(start)] * ROWS)
    for _ in range(n_tokens):
        odds = hf(rows).logits[:, -1].softmax(-1)
        rows = torch.cat([rows, torch.multinomial(odds, 1, generator=random)], 1)
    return rows.tolist()


def test_the_update_is_the_formula_of_the_paper(tiny_model, hf_model, architecture, monkeypatch):
    """W' = W + (v* − Wk* − b)(C⁻¹k*)ᵀ / (k*ᵀC⁻¹k*), with C and k* from activations of the plain model."""
    monkeypatch.setattr(rome, "RIDGE", 0.1)  # the inverse of a covariance of random weights magnifies rounding
    model, hf = tiny_model(architecture), hf_model(architecture)
    kept(model).clear()
    edit = fact(model)
    one = with_edit(model, edit)
    tokens = model.tokens(PROMPT)
    bos = int(tokens.has_bos)
    ids = list(tokens.ids)
    subject = len(ids) - 1
    assert tokens.texts[subject] == " dog"
    free = plain_text(hf, [0], rome.FREE_TOKENS)
    related = plain_text(hf, ids[: subject - 1], rome.RELATED_TOKENS)
    behind = [ids[:bos] + row[1:9] + ids[bos:] for row in free[: rome.PREFIXES]]
    keys = [plain_keys(hf, 0, ids)[subject], *(plain_keys(hf, 0, row)[subject + 8] for row in behind)]
    key = torch.stack(keys).double().mean(0)
    torch.testing.assert_close(one.how.key.double(), key, atol=1e-4, rtol=1e-4)
    everyday = [model.tokens(text).ids for text in sentences(model)]
    general = torch.cat([plain_keys(hf, 0, row)[1:] for row in [*everyday, *free]]).double()
    special = torch.cat([plain_keys(hf, 0, row)[subject - 1 :] for row in related]).double()
    C = general.T @ general / len(general) + special.T @ special / len(special)
    C += 0.1 * C.diagonal().mean() * torch.eye(len(C)).double()
    module = plain_writer(hf, 0)
    W = (module.weight.T if model.id.endswith("gpt2") else module.weight).double()
    b = 0 if module.bias is None else module.bias.double()
    u = torch.linalg.inv(C) @ key
    expected = W + torch.outer(one.how.value.double() - W @ key - b, u) / (u @ key)
    edited = projection.plain_matrix(rome.writer(one.model, 0)).T.double()
    scale = float((expected - W).abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(edited, expected, atol=1e-3 * scale, rtol=0)
    torch.testing.assert_close(edited @ key + b, one.how.value.double(), atol=1e-3, rtol=1e-3)
    kept(model).clear()


def test_the_edited_matrix_answers_the_key_with_the_value_and_the_fact_takes(tiny_model, architecture):
    model = tiny_model(architecture)
    edit = fact(model)
    one = with_edit(model, edit)
    matrix, bias = projection.plain_matrix(rome.writer(one.model, 0)), rome.writer(one.model, 0).bias
    answered = one.how.key @ matrix + (0 if bias is None else bias)
    torch.testing.assert_close(answered, one.how.value, atol=1e-4 * float(one.how.value.abs().max()), rtol=0)
    assert all(check.passed for check in one.checks)
    rank = torch.linalg.matrix_rank((matrix - projection.plain_matrix(rome.writer(model, 0))).double(), rtol=1e-4)
    assert int(rank) == 1
    target = model.token_id(edit.target)
    before, after = (m.run(m.tokens(PROMPT)).logits[-1].softmax(-1)[target] for m in (model, one.model))
    assert after > before


def test_a_wrong_value_does_not_pass_the_check(mini):
    how = rewrite(mini, BOSTON)
    assert not how.checks(mini)[0].passed
    assert how.checks(with_edit(mini, BOSTON).model)[0].passed


@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_both_ways_to_solve_agree_and_leave_the_key_at_one(n, d_mlp, seed):
    random = torch.Generator().manual_seed(seed)
    sample = torch.randn(n, d_mlp, generator=random, dtype=torch.float64)
    key = torch.randn(d_mlp, generator=random, dtype=torch.float64)
    found = whitened(sample, key)
    C = sample.T @ sample / n
    C += RIDGE * C.diagonal().mean() * torch.eye(d_mlp, dtype=torch.float64)
    u = torch.linalg.inv(C) @ key
    torch.testing.assert_close(found, u / (u @ key), atol=1e-6, rtol=1e-4)
    assert float(found @ key) == pytest.approx(1)


@pytest.mark.parametrize(
    ("prompt", "subject", "words"),
    [
        ("The capital of Texas is", "Texas", " Texas"),
        ("The capital of Texas is", "capital of Texas", " capital of Texas"),
        ("Texas's capital is", "Texas", "Texas"),
        ("Texas is big. The capital of Texas is", " Texas ", " Texas"),
        ("The capital of Texas", "Texas", " Texas"),
        ("The capital of Texas is", "Tex", " Texas"),
        ("The capital of Texas is", "xas", " Texas"),
        ("The capital of New Hampshire is", "New Hampshire", " New Hampshire"),
    ],
)
def test_the_subject_is_found_in_the_prompt(mini, prompt, subject, words):
    tokens = mini.tokens(prompt)
    first, last = subject_span(mini, tokens, prompt, subject)
    found = "".join(tokens.texts[first : last + 1])
    assert words.strip() in found and len(found) <= len(words) + 1
    assert last == max(i for i, text in enumerate(tokens.texts) if words.split()[-1] in text)


def test_nothing_is_left_behind_and_the_callback_meets_no_hooks(mini):
    from tests.core.plain_hooks import hooks_left

    held, seen = hooks_left(mini), []
    before = mini.run(mini.tokens(PROMPT)).logits
    weights = [parameter.clone() for parameter in mini.bridge.original_model.parameters()]
    rewrite(mini, BOSTON, lambda done, total: seen.append((done, total, hooks_left(mini))))
    assert {left for _, _, left in seen} == {held} and hooks_left(mini) == held
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert all(done <= total for done, total, _ in seen)
    assert torch.equal(mini.run(mini.tokens(PROMPT)).logits, before)
    assert all(map(torch.equal, weights, mini.bridge.original_model.parameters()))


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"subject": "Nevada"}, "subject", "“Nevada” is not in the prompt: copy the subject"),
        ({"subject": "  "}, "subject", "The subject is empty"),
        ({"target": "Austin"}, "target", "answers “·Austin” already: type another answer"),
        ({"target": "Washingtonian"}, "target", "tokens for this model"),
        ({"layer": 9}, "layer", "There is no layer 9"),
        ({"layer": 3}, "layer", "No change at the subject in layer 3 makes “·Boston” the answer.*earlier layer"),
        ({"prompt": ""}, "prompt", "The prompt is empty"),
    ],
)
def test_a_fact_that_cannot_be_rewritten_gets_a_sentence(mini, change, field, said):
    edit = Rome(**{"prompt": BOSTON.prompt, "subject": "Texas", "target": "Boston", "layer": 0} | change)
    with pytest.raises(InputError, match=said) as raised:
        rewrite(mini, edit)
    assert raised.value.field == field


def test_an_mlp_that_does_not_end_in_one_matrix_is_said(tiny_model, monkeypatch):
    model = copy.copy(tiny_model("llama"))
    monkeypatch.setattr(projection, "plain_matrix", lambda module: None)
    with pytest.raises(InputError, match="does not end in one matrix .*mixture of experts"):
        rewrite(model, fact(model))


def test_the_usual_layer_is_a_third_of_the_way_up(mini, tiny_model):
    assert (default_layer(mini), default_layer(tiny_model("gpt2"))) == (0, 0)
    assert rewrite(mini, Rome(BOSTON.prompt, "Texas", "Boston")).layer == 0
