"""The cost foretold against the cost met, on a clock that counts work instead of time."""

import pytest

from mi_core.interventions import cost, sweep
from mi_core.interventions.intervention import Intervention

PROMPT = " the cat sat on the dog, é on the cat sat"


@pytest.fixture
def clock(monkeypatch):
    """clock(model): a function that tells how many positions have passed through a block since."""

    def attach(model):
        passed = [0]

        def count(module, args, kwargs):
            x = args[0] if args else kwargs["hidden_states"]
            passed[0] += x.shape[0] * x.shape[1]

        handles.extend(block.register_forward_pre_hook(count, with_kwargs=True) for block in model.bridge.blocks)
        monkeypatch.setattr(cost.time, "perf_counter", lambda: passed[0])
        return lambda: passed[0]

    handles = []
    yield attach
    for handle in handles:
        handle.remove()


def cells(model, n, site):
    if site == "resid_pre":
        places = [(layer, pos) for layer in range(model.n_layers) for pos in range(n)]
        return [(Intervention(site, layer, 0.5, first=pos, end=pos + 1),) for layer, pos in places]
    places = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    return [(Intervention(site, layer, 0.0, head=head),) for layer, head in places]


@pytest.mark.parametrize("restarts", [True, False])
@pytest.mark.parametrize("site", ["resid_pre", "z"])
def test_the_work_foretold_is_the_work_met(tiny_model, clock, monkeypatch, architecture, site, restarts):
    model = tiny_model(architecture)
    if not restarts:
        monkeypatch.setattr(sweep, "REPRODUCED", -1.0)
    monkeypatch.setattr(sweep, "POSITIONS_AT_ONCE", 60)
    monkeypatch.setattr(sweep, "WORTHWHILE", 40)
    monkeypatch.setattr(cost, "PROBE_POSITIONS", 40)
    ids = model.tokens(PROMPT).ids
    planned, now = cells(model, len(ids), site), clock(model)
    foretold = cost.foretell(model, ids, planned)
    began = now()
    found = sweep.sweep(model, ids, planned, lambda logits: logits)
    assert found.restarts == restarts
    assert foretold.runs == len(planned)
    assert 0.5 < foretold.seconds / (now() - began) < 2


def test_memory_is_bounded_however_many_cells_there_are(tiny_model):
    model = tiny_model("gpt2")
    ids = model.tokens(PROMPT).ids
    few = cells(model, len(ids), "resid_pre")
    assert cost.foretell(model, ids, few * 20).bytes == cost.foretell(model, ids, few * 40).bytes


def test_a_batch_never_holds_more_rows_than_its_logits_allow(tiny_model):
    planned = [(Intervention("resid_pre", 2, 0.5, first=9, end=10),)] * 300
    assert max(len(chunk) for chunk in sweep.chunks(planned, 10, restarts=True)) == sweep.ROWS_AT_ONCE
