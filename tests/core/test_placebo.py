"""Interventions beside chance: against plain hooks, sizes kept, the counting, and what is refused."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.analyses.cost import cost
from mi_core.analyses.placebo import placebo
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.models import hooks
from mi_core.placebo.random_change import change, random_runs
from tests.core.plain_hooks import run_edited
from tests.core.plain_reference import plain

MARY = "When Mary and John went to the store, John gave a drink to"
JOHN = "When Mary and John went to the store, Mary gave a drink to"
TEXAS = "The capital of Texas is"
RANDOM = "random directions"
MAKE = {"kind": "rome", "subject": "Texas", "target": "Boston"}
CLEAN = " the cat sat on the dog on"


def ask(model, of, *, draws=20, seed=0, **settings):
    return placebo(model, of=of, settings=json.dumps(settings), draws=draws, seed=seed)


def unit(width, seed, draw=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(draw + 1):
        drawn = torch.randn(width, generator=generator)
    return drawn / drawn.norm()


def test_a_knocked_out_head_and_its_random_directions_are_those_of_plain_hooks(architecture, tiny_model, hf_model):
    found = ask(tiny_model(architecture), "ablation", prompt=CLEAN, mode="zero", layer=1, head=2, draws=3, seed=5)
    hf = hf_model(architecture)
    own = plain(hf, found.tokens.ids)
    z = own.z[1][:, 2]
    logit = own.logits[found.pos, found.target.token_id]

    def moved(value):
        def put(x):
            x[:, 2] = value

        with torch.no_grad():
            logits = run_edited(hf, found.tokens.ids, [("z", 1, put)])
        return float(logits[found.pos, found.target.token_id] - logit)

    assert found.own_change == pytest.approx(moved(torch.zeros_like(z)), abs=1e-3)
    for draw in range(3):
        random = z + z.norm(dim=-1, keepdim=True) * unit(z.shape[-1], 5, draw)
        assert found.change[draw] == pytest.approx(moved(random), abs=1e-3)
    assert found.kinds == ("random directions",) * 3 + ("other heads of layer 1",) * 3
    for name, value in zip(found.names[3:], found.change[3:], strict=True):
        head = int(name[3:])

        def other(x, head=head):
            x[:, head] = 0

        with torch.no_grad():
            logits = run_edited(hf, found.tokens.ids, [("z", 1, other)])
        assert value == pytest.approx(float(logits[found.pos, found.target.token_id] - logit), abs=1e-3)


def test_a_push_and_its_random_directions_are_those_of_plain_hooks(mini, hf_model):
    found, hf = (
        ask(mini, "steering", prompt=TEXAS, direction="token:Paris", layer=2, draws=2, seed=3),
        hf_model("loupe-mini"),
    )
    resid = plain(hf, found.tokens.ids).resid[2]
    length = 0.5 * float(resid[1:].norm(dim=-1).mean())
    before = plain(hf, found.tokens.ids).logits[-1].double().log_softmax(-1)
    for draw in range(2):
        push = length * unit(resid.shape[-1], 3, draw)

        def put(x, push=push):
            x[1:] += push

        with torch.no_grad():
            after = run_edited(hf, found.tokens.ids, [("resid_pre", 2, put)])[-1].double().log_softmax(-1)
        # the way round in which steering measures
        assert found.kl[draw] == pytest.approx(float((after.exp() * (after - before)).sum() / np.log(2)), abs=1e-3)


def test_its_numbers_are_those_of_the_analysis_itself(mini):
    from mi_core.analyses.edit import edit
    from mi_core.analyses.steering import steering

    pushed = ask(mini, "steering", prompt=TEXAS, direction="token:Paris", draws=1)
    assert pushed.own_kl == pytest.approx(steering(mini, TEXAS, direction="token:Paris", max_new_tokens=1).kl, abs=1e-4)
    made = edit(mini, TEXAS, subject="Texas", target="Boston")
    assert ask(mini, "edit", prompt=TEXAS, **MAKE, draws=1).own_kl == pytest.approx(float(made.trial_kl[0]), abs=1e-3)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_random_changes_are_as_long_at_every_position_and_the_same_for_the_same_seed(seed, draws):
    moved = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed + 1)) * torch.tensor(
        [[0.0], [1], [2], [3], [9]]
    )
    runs = random_runs(range(5), (), [(hooks.mlp_out(1), moved)], draws, seed)
    again = random_runs(range(5), (), [(hooks.mlp_out(1), moved)], draws, seed)
    for (one,), (other,) in zip(runs, again, strict=True):
        assert torch.equal(one.value, other.value) and one.hook == hooks.mlp_out(1)
        assert one.value.norm(dim=-1) == pytest.approx(moved.norm(dim=-1), rel=1e-5)
        lengths = one.value[1:] / one.value[1:].norm(dim=-1, keepdim=True)
        assert torch.allclose(lengths, lengths[:1].expand_as(lengths), atol=1e-5)


def test_a_change_is_what_an_intervention_adds_beside_what_is_in_place_anyway(mini):
    tokens = mini.tokens(TEXAS)
    base = (Intervention("resid_pre", 1, 1.0, operation="add"),)
    one = Intervention("mlp_out", 1, 0.0, first=2, end=4)
    moved = change(mini, tokens.ids, base, one)
    assert (moved[:2] == 0).all() and (moved[4:] == 0).all() and (moved[2:4] != 0).any()


def test_it_counts_what_moves_less_and_says_so(mini):
    found = ask(mini, "ablation", prompt=MARY, site="head")
    random = np.array([kind == "random directions" for kind in found.kinds])
    assert found.beaten("random directions") == (int((np.abs(found.change[random]) < abs(found.own_change)).sum()), 20)
    assert found.reading().title.startswith("Knocking out L0H3 moves the logit of “·Mary” by −16.10: more than chance")
    assert "20 of 20 random directions and than 3 of 3 other heads of layer 0" in found.reading().sentences[0]
    trials = found.tables()["trials"]
    assert trials["direction"].tolist().count("knocking out L0H3") == 2 and len(trials) == 25


CLAMP = {"prompt": "The film was", "direction": "feature:53", "operation": "clamp", "strength": 5.0}
PATCH = {"prompt": MARY, "corrupted": JOHN, "site": "head", "cell": "L3H2"}


@pytest.mark.parametrize(
    ("of", "settings_", "title", "kinds"),
    [
        (
            "ablation",
            {"prompt": MARY, "site": "feature"},
            "Knocking out feature",
            (RANDOM, "features that fire as often"),
        ),
        ("ablation", {"prompt": MARY, "site": "neuron", "layer": 2}, "Knocking out L2N", ("other neurons of layer 2",)),
        ("ablation", {"prompt": MARY, "site": "mlp_out"}, "Knocking out MLP 0", (RANDOM,)),
        ("patched_run", PATCH, "Patching L3H2 moves the logit difference", (RANDOM, "other heads of layer 3")),
        ("steering", CLAMP, "The push moves the next token", (RANDOM,)),
        ("edit", {"prompt": TEXAS, **MAKE}, "The edit moves the next token", (RANDOM,)),
        (
            "edit",
            {"prompt": TEXAS, "kind": "orthogonalise", "direction": "token:Austin"},
            "Removing the direction",
            (RANDOM,),
        ),
    ],
)
def test_everything_that_intervenes_has_its_placebo(mini, of, settings_, title, kinds):
    found = ask(mini, of, draws=4, **settings_)
    assert found.reading().title.startswith(title) and found.groups == kinds
    assert all(check.passed for check in found.checks)
    assert np.isfinite(found.change).all() and (found.kl >= 0).all()


def test_features_of_like_density_come_nearest_first(mini):
    from mi_core.saes.loading import pick
    from mi_core.saes.notes import notes

    found = ask(mini, "ablation", prompt=MARY, site="feature", feature=920, draws=5)
    book = notes(pick("loupe-mini"))
    own = book.of(920).density
    others = [name for name, kind in zip(found.names, found.kinds, strict=True) if kind != RANDOM]
    apart = [abs(book.of(int(name.split()[1])).density - own) for name in others]
    assert apart == sorted(apart) and len(apart) == 5


@pytest.mark.parametrize(
    ("of", "settings_", "more", "said", "field"),
    [
        ("guess", {}, {}, "cannot be compared with chance", "of"),
        ("ablation", {"prompt": TEXAS}, {"draws": 0}, "There cannot be 0 random directions", "draws"),
        ("patched_run", PATCH | {"site": "pattern", "cell": "L1H1"}, {}, "no direction", "of"),
        ("steering", {"prompt": TEXAS, "direction": "token:xyzzy plugh"}, {}, "token", "token"),
    ],
)
def test_bad_input_is_a_sentence(mini, of, settings_, more, said, field):
    with pytest.raises(InputError, match=said) as raised:
        ask(mini, of, **settings_, **more)
    assert raised.value.field == field


def test_it_is_foretold(mini):
    told = cost(mini, of="placebo", settings=json.dumps({"of": "ablation", "settings": json.dumps({"prompt": TEXAS})}))
    assert told.runs == 22 and told.reading().title.startswith("This comparison with chance takes about")
