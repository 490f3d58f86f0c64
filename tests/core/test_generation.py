"""Cached generation of edited rows: equal to transformers' own, and to a loop that reads everything anew."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.text import generation
from mi_core.text.generation import continuation, draw, generate, perplexities, stop_ids

PROMPT = " the cat sat on the dog"


def _ids(steps) -> list[tuple]:
    return [step.ids for step in steps]


def _active_hooks(model) -> int:
    return sum(len(module._forward_hooks) for module in model.bridge.original_model.modules())


def _push(vector):
    """Row 1 only, every position but the first."""

    def edit(x, start):
        x = x.clone()
        x[1, max(0, 1 - start) :] += vector
        return x

    return edit


def test_greedy_equals_transformers(architecture, tiny_model, hf_model):
    """30 tokens: well beyond the window of Gemma's sliding attention."""
    model = tiny_model(architecture)
    ids = torch.tensor([model.tokens(PROMPT).ids])
    reference = hf_model(architecture).generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=30, do_sample=False, pad_token_id=0
    )
    written = _ids(generate(model, ids[0].tolist(), 2, max_new_tokens=30))
    expected = reference[0, ids.shape[1] :].tolist()
    stops = stop_ids(model)
    assert [token for token, _ in written if token is not None] == [token for token in expected if token not in stops]
    assert all(a == b for a, b in written)


def test_cached_rows_equal_a_loop_without_cache(architecture, tiny_model, hf_model):
    """The steered row against plain transformers with a plain torch hook, the whole text read anew at each token."""
    model = tiny_model(architecture)
    prompt = list(model.tokens(PROMPT).ids)
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(3)) * 3
    steps = list(generate(model, prompt, 2, max_new_tokens=24, hooks={hooks.resid_pre(1): _push(vector)}))
    for row in range(2):
        ids = list(prompt)
        for step in steps:
            logits = _reference_logits(hf_model(architecture), ids, vector if row else None)
            torch.testing.assert_close(step.logits[row], logits, atol=2e-4, rtol=1e-4)
            if step.ids[row] is None:
                break
            ids.append(step.ids[row])
    assert (steps[0].logits[0] - steps[0].logits[1]).abs().max() > 0.1


def _reference_logits(hf, ids, vector) -> torch.Tensor:
    def push(module, args, kwargs):
        x = args[0].clone() if args else kwargs["hidden_states"].clone()
        x[:, 1:] += vector
        return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

    body = hf.base_model
    blocks = body.h if hasattr(body, "h") else body.layers
    handle = blocks[1].register_forward_pre_hook(push, with_kwargs=True) if vector is not None else None
    logits = hf(torch.tensor([ids]), use_cache=False).logits[0, -1]
    if handle:
        handle.remove()
    return logits


def test_rows_with_equal_logits_stay_equal_at_any_temperature(mini):
    prompt = mini.tokens("This movie was").ids
    for temperature in (0.5, 1.0, 3.0):
        options = {"max_new_tokens": 20, "temperature": temperature, "seed": 11}
        rows = _ids(generate(mini, prompt, 3, **options))
        assert all(a == b == c for a, b, c in rows)
        assert rows == _ids(generate(mini, prompt, 3, **options))
    assert _ids(generate(mini, prompt, 1, max_new_tokens=20, temperature=3.0, seed=1)) != _ids(
        generate(mini, prompt, 1, max_new_tokens=20, temperature=3.0, seed=2)
    )


def test_no_hook_is_active_between_tokens_or_after_a_stop(mini):
    before = _active_hooks(mini)
    steps = generate(
        mini, mini.tokens("This movie was").ids, 2, max_new_tokens=5, hooks={hooks.resid_pre(1): _push(1.0)}
    )
    next(steps)
    assert _active_hooks(mini) == before
    steps.close()
    assert _active_hooks(mini) == before


def test_an_edit_that_fails_leaves_no_hook(mini):
    def fail(x, start):
        raise RuntimeError("edit")

    before = _active_hooks(mini)
    with pytest.raises(RuntimeError, match="edit"):
        next(generate(mini, mini.tokens("This").ids, 1, max_new_tokens=2, hooks={hooks.resid_pre(1): fail}))
    assert _active_hooks(mini) == before


def test_ends_where_the_context_ends(tiny_model):
    model = tiny_model("neox")
    prompt = model.tokens(" cat" * 62, prepend_bos=False).ids
    assert len(list(generate(model, prompt, 1, max_new_tokens=30, hooks={}))) <= model.n_ctx - 62 + 1
    full = model.tokens(" cat" * 64, prepend_bos=False).ids
    assert len(list(generate(model, full, 1, max_new_tokens=30))) == 1


def test_a_row_that_ends_is_none_from_there_on_and_the_others_go_on(mini):
    """Row 0 is forced to write the end-of-text token at once."""
    eos = mini.tokenizer.eos_token_id
    u = mini.unembedding_direction(eos)

    def end(x, start):
        x = x.clone()
        x[0] = 1e3 * (u - u.mean())
        return x

    rows = _ids(
        generate(mini, mini.tokens("This movie was").ids, 2, max_new_tokens=6, hooks={hooks.resid_post(3): end})
    )
    assert [row[0] for row in rows] == [None] * 6
    assert None not in [row[1] for row in rows]
    both = _ids(
        generate(mini, mini.tokens("This movie was").ids, 1, max_new_tokens=6, hooks={hooks.resid_post(3): end})
    )
    assert both == [(None,)]


@settings(deadline=None, max_examples=50)
@given(
    logits=st.lists(st.floats(-5, 5), min_size=2, max_size=6),
    uniform=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0.2, 3),
)
def test_draw_inverts_the_cumulative_distribution(logits, uniform, temperature):
    weights = [math.exp(value / temperature) for value in logits]
    shares, total = [], 0.0
    for weight in weights:
        total += weight / sum(weights)
        shares.append(total)
    drawn = int(draw(torch.tensor([logits], dtype=torch.float64), temperature, uniform)[0])
    assert uniform <= shares[drawn] + 1e-9
    assert drawn == 0 or uniform >= shares[drawn - 1] - 1e-9


def test_draw_follows_the_probabilities():
    logits = torch.tensor([[0.0, math.log(3.0)]])
    drawn = [int(draw(logits, 1.0, (i + 0.5) / 1000)[0]) for i in range(1000)]
    assert sum(drawn) == 750


def test_perplexity_equals_transformers(architecture, tiny_model, hf_model):
    model = tiny_model(architecture)
    prompt, new = list(model.tokens(" the cat").ids), list(model.tokens(" sat on the dog", prepend_bos=False).ids)
    ids = torch.tensor([prompt + new])
    labels = ids.clone()
    labels[0, : len(prompt)] = -100
    expected = float(hf_model(architecture)(ids, labels=labels).loss.exp())
    assert perplexities(model, prompt, [new])[0] == pytest.approx(expected, rel=1e-4)
    assert math.isnan(perplexities(model, prompt, [[]])[0])


def test_continuation_keeps_the_space_and_hides_half_a_character(tiny_model):
    model = tiny_model("gpt2")
    prompt = list(model.tokens(" the cat").ids)
    sat = list(model.tokens(" sat é", prepend_bos=False).ids)
    assert continuation(model, prompt, sat) == " sat é"
    assert continuation(model, prompt, sat[:-1]) == " sat "
    assert continuation(model, prompt, []) == ""


def test_bad_settings(mini):
    ids = mini.tokens("This").ids
    for options, field in (
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_new_tokens": 3, "temperature": -1.0}, "temperature"),
        ({"max_new_tokens": 3, "temperature": math.nan}, "temperature"),
    ):
        with pytest.raises(InputError) as caught:
            next(generate(mini, ids, 1, **options))
        assert caught.value.field == field


def test_a_model_that_cannot_split_rows_in_the_middle_reads_them_all_and_says_so(mini, caplog):
    """The hook refuses the single prompt row that became two, as a block that cannot join them would."""
    calls = []

    def refuse_once(x, start):
        calls.append(x.shape[0])
        if len(calls) == 1:
            raise RuntimeError("shapes differ")
        return _push(1.0)(x, start)

    prompt = mini.tokens("This movie was").ids
    expected = _ids(generate(mini, prompt, 2, max_new_tokens=8, hooks={hooks.resid_pre(1): _push(1.0)}))
    assert _ids(generate(mini, prompt, 2, max_new_tokens=8, hooks={hooks.resid_pre(1): refuse_once})) == expected
    (record,) = [record for record in caplog.records if record.name == "mi_core.text.generation"]
    assert "every row is read anew" in record.message and "shapes differ" in str(record.exc_info[1])


def test_perplexity_in_parts_equals_the_whole(architecture, tiny_model, monkeypatch):
    model = tiny_model(architecture)
    prompt = model.tokens(PROMPT).ids
    rows = [model.tokens(" the cat sat on the dog" * 5, prepend_bos=False).ids, (9, 30, 7)]
    whole = generation.perplexities(model, prompt, rows)
    monkeypatch.setattr(generation, "LOGITS_AT_ONCE", 6)
    assert generation.perplexities(model, prompt, rows) == pytest.approx(whole, rel=1e-5)
