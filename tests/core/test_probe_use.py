"""A probe's direction taken out and pushed along: against plain transformers with hooks, and its placebos."""

import math

import numpy as np
import pytest
import torch

from mi_core.analyses.probe_use import probe_use
from mi_core.analyses.steering import steering
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.probing.trial import OPERATIONS
from tests.core.plain_reference import blocks, plain
from tests.core.test_probing import ROWS

PROMPT = " the cat sat on the dog"
LAYER = 1


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["text,label,group", *(",".join(row) for row in ROWS)]), encoding="utf-8")
    return str(path)


def changed(hf, ids, layer, change):
    """Logits of the last position where `change` is made to what enters a block."""
    handle = blocks(hf)[layer].register_forward_pre_hook(
        lambda module, args, kwargs: ((change(args[0]), *args[1:]), kwargs) if args
        else (args, kwargs | {"hidden_states": change(kwargs["hidden_states"])}),
        with_kwargs=True,
    )  # fmt: skip
    try:
        with torch.no_grad():
            return hf(torch.tensor([ids])).logits[0, -1].double()
    finally:
        handle.remove()


def kl_bits(logits, base):
    p, q = logits.log_softmax(-1), base.log_softmax(-1)
    return float((p.exp() * (p - q)).sum() / math.log(2))


def test_it_does_what_hooks_of_plain_transformers_do(architecture, tiny_model, hf_model, file):
    model, hf = tiny_model(architecture), hf_model(architecture)
    result = probe_use(model, PROMPT, file=file, layer=LAYER, placebos=3, strength=0.7)
    assert all(check.passed for check in result.checks)
    unit = torch.tensor(result.direction)
    assert float(unit.norm()) == pytest.approx(1, abs=1e-5)
    ids, bos = list(result.tokens.ids), int(result.tokens.has_bos)
    texts = [plain(hf, model.tokens(row[0]).ids).resid[LAYER][-1] for row in ROWS]
    mean = float((torch.stack(texts) @ unit).mean())
    length = float(plain(hf, ids).resid[LAYER][1:].norm(dim=-1).mean())
    base = plain(hf, ids).logits[-1].double()

    def put(amount):
        def change(x):
            x = x.clone()
            x[:, bos:] = x[:, bos:] + amount(x[:, bos:])[..., None] * unit
            return x

        return changed(hf, ids, LAYER, change)

    runs = (
        put(lambda x: mean - x @ unit),
        put(lambda x: torch.full(x.shape[:2], 0.7 * length)),
        put(lambda x: torch.full(x.shape[:2], -0.7 * length)),
    )
    for at, logits in enumerate(runs):
        assert result.kl[at, 0] == pytest.approx(kl_bits(logits, base), rel=1e-2, abs=2e-4)
        goal = result.target.token_id
        assert result.change[at, 0] == pytest.approx(float(logits[goal] - base[goal]), abs=5e-3)


def test_a_push_is_that_of_steering_with_the_same_numbers(mini):
    prompt = "This movie was terrible. I"
    result = probe_use(mini, prompt, file="sentiment", layer=2, placebos=1, strength=0.6)
    vector = " ".join(f"{value:.8g}" for value in result.direction)
    steered = steering(mini, prompt, direction="vector", vector=vector, layer=2, strength=0.6, max_new_tokens=1)
    assert result.kl[1, 0] == pytest.approx(steered.kl, rel=1e-3)
    assert result.tops[1] == steered.top_after


def test_random_directions_change_as_much_and_do_less(mini, monkeypatch):
    seen, run = [], mini.run_ids

    def watched(ids, names=(), logits="last", *, changes=None, query=None):
        acts = run(ids, names, logits, changes=changes, query=query)
        if changes and len(ids) > 1 and not seen:
            before = run(ids, names, logits)
            seen.append((acts[names[0]] - before[names[0]]).norm(dim=-1))
        return acts

    monkeypatch.setattr(mini, "run_ids", watched)
    result = probe_use(mini, "This movie was terrible. I", file="sentiment", layer=3)
    assert seen[0].shape[0] == 21 and float(seen[0][:, 1:].min()) > 0
    torch.testing.assert_close(seen[0], seen[0][:1].expand_as(seen[0]), atol=1e-4, rtol=1e-4)
    summary = result.tables()["summary"].set_index("operation")
    for at, operation in enumerate(OPERATIONS):
        assert summary.loc[operation, "larger_than"] == sum(abs(result.kl[at, 1:]) < abs(result.kl[at, 0]))
    assert summary.loc["taken out", "larger_than"] >= 19
    assert result.reading().title.startswith("The model uses the direction to “positive” here")


def test_the_class_and_the_kind_choose_the_direction(mini):
    one = probe_use(mini, "I", file="sentiment", label="positive", placebos=1)
    other = probe_use(mini, "I", file="sentiment", label="negative", placebos=1)
    means = probe_use(mini, "I", file="sentiment", label="positive", kind="mean difference", placebos=1)
    np.testing.assert_allclose(one.direction, -other.direction)
    assert 0.5 < float(one.direction @ means.direction) < 0.999
    assert one.layer == mini.n_layers // 2 and one.others == ("negative",)


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"label": "odd"}, "label", "is no class of these texts"),
        ({"layer": 9}, "layer", "There is no layer 9"),
        ({"kind": "other"}, "kind", "is no kind of direction"),
        ({"placebos": 0}, "placebos", "There are 0 random directions"),
        ({"strength": math.inf}, "strength", "The strength is inf"),
        ({"c": -1.0}, "c", "C is -1"),
        ({"target": "not one token at all"}, "target", "tokens"),
    ],
)
def test_bad_settings_get_a_sentence(mini, asked, field, said):
    with pytest.raises(InputError, match=said) as caught:
        probe_use(mini, "The cat", file="sentiment", **asked)
    assert caught.value.field == field


def test_what_tells_nothing_apart_has_no_direction(mini, tmp_path):
    path = tmp_path / "same.csv"
    path.write_text("\n".join(["text,label,group", *(f"The same {n},{label},{n}" for n in range(8) for label in "xy")]))
    with pytest.raises(InputError, match="Nothing tells the classes apart before layer 0"):
        probe_use(mini, "The cat", file=str(path), layer=0, position="token", token="same")


def test_the_last_stream_can_be_changed_too(mini):
    result = probe_use(mini, "The cat", file="sentiment", layer=mini.n_layers, placebos=2)
    assert mini.resid_names()[-1] == hooks.resid_post(mini.n_layers - 1) and result.kl[1, 0] > 0
