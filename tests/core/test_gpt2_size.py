"""A model of GPT-2 small's size through the real loading path, and memory that stays where it is."""

import shutil

import numpy as np
import pytest
import torch
import transformers

from benchmarks import gpt2_size, many_prompts, memory
from mi_core.analyses.attribution import attribution
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.models.loading import load

pytestmark = pytest.mark.slow
WEIGHTS_BYTES = 498e6

linux = pytest.mark.skipif(not memory.is_measurable(), reason="reads /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("gpt2-size") / "model"
    gpt2_size.write(place)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def opened(folder):
    """(model, bytes it holds, bytes it held at its worst)"""
    before = memory.start_peak() if memory.is_measurable() else 0
    model = load(str(folder))
    worst = memory.peak_so_far() - before if memory.is_measurable() else 0
    held = memory.resident_bytes() - before if memory.is_measurable() else 0
    return model, held, worst


@pytest.fixture(scope="module")
def plain(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_tokens_are_counted_as_gpt2_counts_them(opened):
    model = opened[0]
    assert (model.d_vocab, model.n_layers, model.n_heads, model.n_ctx) == (50_257, 12, 12, 1_024)
    tokens = model.tokens(gpt2_size.prompt(64))
    assert tokens.has_bos and len(tokens) == 65
    assert "".join(tokens.texts[1:]) == gpt2_size.prompt(64)


@linux
def test_weights_are_held_once(opened):
    _, held, worst = opened
    assert held < 1.3 * WEIGHTS_BYTES
    assert worst < 1.9 * WEIGHTS_BYTES


def test_one_prompt_equals_plain_transformers(opened, plain):
    model, prompt = opened[0], gpt2_size.prompt(20, seed=5)
    lens = logit_lens(model, prompt)
    parts = attribution(model, prompt)
    guesses = predict(model, prompt)
    with torch.no_grad():
        logits = plain(torch.tensor([lens.tokens.ids])).logits[0]
    best = logits.topk(5)
    np.testing.assert_allclose(lens.top_logits[-1], best.values, atol=1e-3)
    np.testing.assert_allclose(lens.top_probabilities[-1], logits.softmax(-1).gather(-1, best.indices), atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(logits.numpy(), lens.prediction_ids[-1], -1), best.values, atol=1e-3)
    assert parts.target.token_id == int(logits[-1].argmax())
    assert parts.contribution.sum(dtype=np.float64) == pytest.approx(float(logits[-1].max()), abs=1e-3)
    assert len(parts.kinds) == len(parts.components) and parts.kinds.count("head") == 144
    np.testing.assert_array_equal(guesses.prediction_ids[:3], logits[-1].topk(3).indices)
    assert all(check.passed for check in (*lens.checks, *parts.checks, *guesses.checks))


@linux
def test_the_lens_of_a_long_prompt_takes_little_memory(opened):
    model, prompt = opened[0], gpt2_size.prompt(64)
    full_width = 13 * 65 * model.d_vocab * 4  # 170 MB: what one copy of all logits would take
    assert memory.peak_bytes(lambda: logit_lens(model, prompt)) < full_width / 2


@linux
def test_memory_stays_where_it_is_over_two_hundred_prompts():
    assert many_prompts.growth_bytes() < many_prompts.GROWTH_MB * memory.MB
