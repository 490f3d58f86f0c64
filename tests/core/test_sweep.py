"""Sweeps cell by cell against the plain loop: one full forward pass with one hook at a time, in TransformerLens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.interventions import restart, sweep
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.sweep import chunks
from mi_core.metrics.metric import Metrics
from mi_core.metrics.target import Target
from mi_core.models.hooks import SITES
from mi_core.models.loading import load
from tests.core.plain_hooks import hooks_left

PROMPT = " the cat sat on the dog, é on the cat sat"


def everything(logits):
    return logits


def loop(model, ids, site, layer, place, value):
    """What a user would write."""

    def hook(x, hook):
        x = x.clone()
        x[(0, *place)] = value
        return x

    with torch.no_grad():
        return model.bridge.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(SITES[site](layer), hook)])[0, -1]


@pytest.mark.parametrize("site", ["resid_pre", "attn_out", "mlp_out"])
def test_layers_by_positions_equal_the_loop(architecture, tiny_model, site):
    model = tiny_model(architecture)
    ids = model.tokens(PROMPT).ids
    value = torch.randn(32, generator=torch.Generator().manual_seed(0))
    places = [(layer, pos) for layer in range(3) for pos in range(len(ids))]
    cells = [(Intervention(site, layer, value, first=pos, end=pos + 1),) for layer, pos in places]
    found = sweep.sweep(model, ids, cells, everything)
    assert found.restarts and found.error < 1e-6 and found.checks()[0].passed
    expected = torch.stack([loop(model, ids, site, layer, (pos,), value) for layer, pos in places])
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert found.values.std(0).max() > 0.1


def test_neurons_and_functions_equal_the_loop(architecture, tiny_model):
    """A neuron's values by position, and a function of what is there, from the middle and into the last block."""
    model = tiny_model(architecture)
    ids = model.tokens(PROMPT).ids
    value = torch.rand(len(ids), 1, generator=torch.Generator().manual_seed(0))
    layers = range(3)
    cells = [(Intervention("post", layer, value[2:], first=2, neuron=5),) for layer in layers]
    scaled = value.new_tensor([1.0 + pos for pos in range(len(ids))])[:, None]
    cells += [
        (Intervention("resid_post", layer, lambda x, at: x * scaled[at : at + len(x)], first=3, operation="map"),)
        for layer in layers
    ]
    found = sweep.sweep(model, ids, cells, everything)
    assert found.restarts
    for layer in layers:
        expected = loop(model, ids, "post", layer, (slice(2, None), slice(5, 6)), value[2:])
        np.testing.assert_allclose(found.values[layer], expected, atol=1e-4)
    np.testing.assert_allclose(
        found.values[3:], torch.cat([sweep.whole(model, ids, [cell]) for cell in cells[3:]]), atol=1e-4
    )


@pytest.mark.parametrize("site", ["z", "q", "k", "v", "pattern"])
def test_layers_by_heads_equal_the_loop(architecture, tiny_model, site):
    model = tiny_model(architecture)
    ids = model.tokens(PROMPT).ids
    n_heads = model.n_kv_heads if site in "kv" else 4
    places = [(layer, head) for layer in range(3) for head in range(n_heads)]
    cells = [(Intervention(site, layer, 0.1, head=head, first=2),) for layer, head in places]
    found = sweep.sweep(model, ids, cells, everything)
    assert found.restarts
    for value, (layer, head) in zip(found.values, places, strict=True):
        place = (head, slice(2, None)) if site == "pattern" else (slice(2, None), head)
        np.testing.assert_allclose(value, loop(model, ids, site, layer, place, 0.1), atol=1e-4)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_mixture_equals_full_runs(tiny_model, data):
    """Values that differ by position and reach into the last block, several in one run, in any order."""
    model = tiny_model(data.draw(st.sampled_from(["gpt2", "neox", "llama", "gemma2", "qwen3"])))
    ids = model.tokens(PROMPT).ids[: data.draw(st.integers(1, 19))]
    n = len(ids)

    def one() -> Intervention:
        site = data.draw(st.sampled_from(["resid_pre", "attn_out", "mlp_out", "z", "q", "pattern"]))
        first = data.draw(st.integers(0, n - 1))
        end = data.draw(st.none() | st.integers(first + 1, n))
        head = data.draw(st.none() | st.integers(0, 3)) if site in ("z", "q", "pattern") else None
        shape = {"pattern": (n,), "z": (8,), "q": (8,)}.get(site, (32,))
        rows = ((end or n) - first,)
        if head is None and site in ("z", "q", "pattern"):
            rows = (4, *rows) if site == "pattern" else (*rows, 4)
        operation = data.draw(st.sampled_from(["set", "add"]))
        value = torch.rand(*rows, *shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
        return Intervention(site, data.draw(st.integers(0, 2)), value, head, first, end, operation)

    cells = [[one() for _ in range(data.draw(st.integers(0, 3)))] for _ in range(data.draw(st.integers(1, 6)))]
    found = sweep.sweep(model, ids, cells, everything)
    assert found.restarts
    expected = torch.cat([sweep.whole(model, ids, [cell]) for cell in cells])
    np.testing.assert_allclose(found.values, expected, atol=1e-4)


# Where a restart does not do ----------------------------------------------------------------------------------------


def _cells(model, ids):
    return [(Intervention("z", layer, 0.0, head=head),) for layer in range(3) for head in range(4)] + [()]


def test_a_model_that_does_more_than_its_blocks_goes_through_whole(tiny_folder):
    """Logits scaled after the unembedding: measured, whatever the architecture is called."""
    model = load(str(tiny_folder("llama")))
    ids = model.tokens(PROMPT).ids

    def scaled(module, args, out):
        out.logits = out.logits * 0.7
        return out

    model.bridge.original_model.register_forward_hook(scaled)
    found = sweep.sweep(model, ids, _cells(model, ids), everything)
    assert not found.restarts and found.error > 1e-3 and found.checks() == ()
    for value, cell in zip(found.values, _cells(model, ids), strict=True):
        expected = loop(model, ids, "z", cell[0].layer, (slice(None), cell[0].head), 0.0) if cell else None
        if expected is not None:
            np.testing.assert_allclose(value, expected, atol=1e-4)


def test_blocks_that_cannot_be_called_alone_go_through_whole(architecture, tiny_model, monkeypatch):
    model = tiny_model(architecture)
    ids, held = model.tokens(PROMPT).ids, hooks_left(model)
    fast = sweep.sweep(model, ids, _cells(model, ids), everything)

    def broken(*args):
        raise TypeError("missing argument")

    monkeypatch.setattr(restart.Call, "repeat", broken)
    slow = sweep.sweep(model, ids, _cells(model, ids), everything)
    assert fast.restarts and not slow.restarts
    np.testing.assert_allclose(fast.values, slow.values, atol=1e-5)
    assert hooks_left(model) == held


def test_why_a_model_is_slow_is_said_once(tiny_folder, monkeypatch, caplog):
    model = load(str(tiny_folder("gpt2")))
    ids = model.tokens(PROMPT).ids

    def broken(*args):
        raise TypeError("missing argument 'told once'")

    monkeypatch.setattr(restart.Call, "repeat", broken)
    for _ in range(3):
        sweep.sweep(model, ids, _cells(model, ids)[:2], everything)
    said = [record.getMessage() for record in caplog.records if record.name == sweep.__name__]
    assert len(said) == 1 and said[0].endswith("TypeError: missing argument 'told once'") and model.id in said[0]


# Chunks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [True, False])
def test_batches_are_bounded_and_late_ones_come_first(restarts):
    n = 40
    cells = [(Intervention("resid_pre", layer, 0.0, first=pos),) for layer in range(6) for pos in range(n)]
    found = list(chunks(cells, n, restarts))
    assert sorted(index for chunk in found for index in chunk) == list(range(len(cells)))
    for chunk in found:
        first = min(cells[index][0].first for index in chunk) if restarts else 0
        assert len(chunk) * (n - first) <= sweep.POSITIONS_AT_ONCE
    assert cells[found[0][0]][0].first == n - 1 and cells[found[0][0]][0].layer == 5
    assert list(chunks([()] * 2, 10**6, restarts)) == [[0], [1]], "one row at least"


def test_progress_comes_between_chunks_with_no_hook_active(tiny_model, monkeypatch):
    model = tiny_model("gpt2")
    tokens = model.tokens(PROMPT)
    monkeypatch.setattr(sweep, "POSITIONS_AT_ONCE", 80)
    plain, held, told = model.run(tokens).logits, hooks_left(model), []

    def progress(done, total, partial=None):
        told.append((done, total))
        assert hooks_left(model) == held
        assert torch.equal(model.run(tokens).logits, plain), "another request in between sees the plain model"

    cells = _cells(model, tokens.ids)
    sweep.sweep(model, tokens.ids, cells, everything, progress)
    assert len(told) > 2 and told[-1] == (13, 13) and told == sorted(told)


def test_a_sweep_that_is_cancelled_leaves_nothing(tiny_model, monkeypatch):
    model = tiny_model("gemma2")
    tokens = model.tokens(PROMPT)
    monkeypatch.setattr(sweep, "POSITIONS_AT_ONCE", 80)
    plain, held = model.run(tokens).logits, hooks_left(model)

    def progress(done, total, partial=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(model, tokens.ids, _cells(model, tokens.ids), everything, progress)
    wrong = (Intervention("z", 1, torch.zeros(3), head=0),)
    with pytest.raises(RuntimeError):
        sweep.sweep(model, tokens.ids, [wrong], everything)
    assert hooks_left(model) == held and torch.equal(model.run(tokens).logits, plain)


def test_bad_places_are_told_before_anything_runs(tiny_model):
    model = tiny_model("gpt2")
    with pytest.raises(InputError, match="There is no head 9"):
        sweep.sweep(model, [1, 2], [(Intervention("z", 0, 0.0, head=9),)], everything)


def test_metrics_by_hand():
    baseline, row = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([[0.0, 2.0, 0.0]])
    p, q = baseline.softmax(-1), row[0].softmax(-1)
    found = Metrics(Target(0, "a", 1, "b"), baseline)(row)[0].tolist()
    assert found == pytest.approx([-2.0, float(q[0]), float((p * (p / q).log2()).sum())], rel=1e-5)
