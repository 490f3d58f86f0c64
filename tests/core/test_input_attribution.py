"""Shares of an answer against captum and plain transformers, their identities, and what they say."""

import copy
import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Occlusion, ShapleyValues
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses._index import bound
from mi_core.analyses.ablation import ablation
from mi_core.analyses.attention import attention
from mi_core.analyses.input_attribution import input_attribution, planned
from mi_core.errors import InputError
from mi_core.phrases import signed
from mi_core.saliency import gradient
from mi_core.saliency.grade import counts
from mi_core.saliency.methods import METHODS
from mi_core.saliency.opened import open_game
from tests.conftest import WORDS
from tests.core.plain_reference import blocks

PROMPT = " the cat sat on"
CORRUPTED = " the dog sat the"
PAIR = {"target": " cat", "foil": " dog"}
INSTEAD = {"baseline": "token", "baseline_token": " dog"}
FRANCE = {"prompt": "The capital of France is", "target": " Paris", "foil": " Rome"}
SLOPE = ("integrated_gradients", "gradient_times_input", "gradient_norm")


class ByHand:
    """Plain transformers, whose first block is given other embeddings: the logit difference of each row."""

    def __init__(self, hf, ids, target: int, foil: int) -> None:
        self.hf, self.ids, self.target, self.foil = hf, list(ids), target, foil
        self.x = self.run(None)[0]

    def run(self, x):
        seen = []

        def put(module, args, kwargs):
            held = args[0] if args else kwargs["hidden_states"]
            seen.append(held)
            new = held if x is None else x.to(held.dtype)
            return ((new, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": new})

        handle = blocks(self.hf)[0].register_forward_pre_hook(put, with_kwargs=True)
        try:
            logits = self.hf(torch.tensor([self.ids] * (1 if x is None else len(x)))).logits[:, -1]
        finally:
            handle.remove()
        return seen[0] if x is None else logits[:, self.target] - logits[:, self.foil]


def by_hand(hf, found) -> ByHand:
    return ByHand(hf, found.tokens.ids[: found.pos + 1], found.answer.ids[0], found.answer.foil_ids[0])


def game_of(model, **settings):
    given = bound("input_attribution", settings)
    names = inspect.signature(open_game).parameters.keys() - {"model"}
    return open_game(model, **{name: given[name] for name in names}).game


def scores(found, method):
    return found.score[found.methods.index(method)]


def holds(found):
    assert [check for check in found.checks if not check.passed] == []


def away(reference, found):
    """The embeddings with the compared token, or zero, in place of every player."""
    ids = [reference.foil] * len(reference.ids)
    other = ByHand(reference.hf, ids, 0, 0).x if found.baseline == "token" else torch.zeros_like(reference.x)
    none = reference.x.clone()
    for player in found.players:
        none[list(player.positions)] = other[list(player.positions)]
    return none


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"baseline": "mean"}, {"mode": "mean"}),
        ({"baseline": "zero"}, {"mode": "zero"}),
        ({"baseline": "corrupted", "corrupted": CORRUPTED}, {"mode": "resample", "reference": CORRUPTED}),
    ],
)
def test_leave_one_out_is_the_ablation_of_a_token_to_the_last_bit(tiny_model, architecture, mine, theirs):
    model = tiny_model(architecture)
    found = input_attribution(model, PROMPT, **PAIR, **mine, methods=("leave_one_out",))
    ablated = ablation(model, PROMPT, **PAIR, **theirs, site="position", layer=0)
    kept = [player.positions[0] for player in found.players]
    assert (found.score[0].astype(np.float32) == -ablated.change[kept]).all()
    holds(found)


def test_a_part_of_several_tokens_is_the_ablation_of_all_of_them(mini):
    found = input_attribution(mini, **FRANCE, methods=("leave_one_out",), players="span", spans="2-4")
    ablated = ablation(mini, **FRANCE, site="position", layer=0, token=4, also=("L0P2", "L0P3"))
    assert ablated.value[0] - ablated.plain == pytest.approx(-found.tables()["scores"]["score"].iloc[0], abs=1e-4)
    assert f"; all together {signed(ablated.value[0] - ablated.plain)}" in ablated.reading().title


def test_leave_one_out_at_an_earlier_token_and_with_a_start_token(mini):
    found = input_attribution(mini, **FRANCE, pos=3, methods=("leave_one_out",))
    ablated = ablation(mini, **FRANCE, pos=3, site="position", layer=0)
    assert [player.positions for player in found.players] == [(1,), (2,), (3,)]
    assert (found.score[0].astype(np.float32) == -ablated.change[1:]).all()


def test_integrated_gradients_and_the_slope_are_those_of_captum(tiny_model, hf_model, architecture):
    found = input_attribution(tiny_model(architecture), PROMPT, **PAIR, **INSTEAD, methods=SLOPE)
    reference = by_hand(hf_model(architecture), found)
    none = away(reference, found)
    theirs = IntegratedGradients(reference.run).attribute(
        reference.x[None], baselines=none[None], n_steps=found.steps, method="gausslegendre", internal_batch_size=16
    )
    positions = [player.positions[0] for player in found.players]
    size = np.abs(scores(found, "integrated_gradients")).max()
    wanted = theirs[0].sum(-1).detach().numpy()[positions]
    np.testing.assert_allclose(scores(found, "integrated_gradients"), wanted, atol=1e-3 * size)
    x = reference.x[None].clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(reference.run(x).sum(), x)
    np.testing.assert_allclose(scores(found, "gradient_norm"), slope[0].norm(dim=-1)[positions], rtol=1e-3)
    product = (slope[0] * (reference.x - none)).sum(-1).numpy()[positions]
    np.testing.assert_allclose(scores(found, "gradient_times_input"), product, atol=1e-3 * np.abs(product).max())


def test_the_slope_is_that_of_a_small_step(tiny_model, hf_model, architecture):
    game = game_of(tiny_model(architecture), prompt=PROMPT, **PAIR)
    slope = gradient.at_input(game).double()
    hf = copy.deepcopy(hf_model(architecture)).double()
    reference = ByHand(hf, game.ids, game.answer.ids[0], game.answer.foil_ids[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        step = torch.randn(slope.shape, generator=generator, dtype=torch.float64)
        step = 1e-4 * (step + 3 * slope / slope.norm())  # so that none is all but level
        high, low = reference.run(torch.stack([reference.x + step, reference.x - step]).double())
        assert float((high - low) / 2) == pytest.approx(float((slope * step).sum()), rel=1e-3)


def test_shapley_values_are_those_of_captum(tiny_model, hf_model, architecture):
    found = input_attribution(tiny_model(architecture), PROMPT, **PAIR, **INSTEAD, methods=("shapley",))
    reference = by_hand(hf_model(architecture), found)
    owner = torch.full(reference.x.shape, len(found.players))  # what is no player is the same with and without
    for number, player in enumerate(found.players):
        owner[list(player.positions)] = number
    theirs = ShapleyValues(reference.run).attribute(
        reference.x[None], baselines=away(reference, found)[None], feature_mask=owner[None], perturbations_per_eval=8
    )
    wanted = [float(theirs[0, player.positions[0], 0]) for player in found.players]
    np.testing.assert_allclose(scores(found, "shapley"), wanted, atol=1e-4)
    assert (found.standard_error[found.methods.index("shapley")] == 0).all()
    holds(found)


def test_span_occlusion_is_that_of_captum(mini, hf_model):
    found = input_attribution(mini, **FRANCE, baseline="zero", window=2, methods=("occlusion",))
    reference = by_hand(hf_model("loupe-mini"), found)
    none, n = away(reference, found), len(found.players)

    def masked(rows):
        here = torch.cat([torch.ones(len(rows), 1), rows], 1)[:, :, None]
        return reference.run(here * reference.x + (1 - here) * none)

    theirs = Occlusion(masked).attribute(torch.ones(1, n), sliding_window_shapes=(2,), baselines=0.0)
    np.testing.assert_allclose(scores(found, "occlusion"), theirs[0].detach().numpy(), atol=1e-3)


def test_sampled_shapley_values_come_to_the_exact_ones_and_always_sum_to_the_gap(mini):
    prompt = "Maria lives in Rome. The home of Maria is in"
    found = input_attribution(mini, prompt, methods=("shapley",), permutations=60)
    assert len(found.players) == 11
    errors = found.standard_error[1]
    assert (errors > 0).all()
    assert found.score[1].sum() == pytest.approx(found.gap, abs=1e-6)
    game = game_of(mini, prompt=prompt)
    n = len(game.players)
    every = np.array(list(itertools.product([False, True], repeat=n)))
    values = dict(zip(map(bytes, every), game.values(every), strict=True))
    exact = [
        sum(
            (values[bytes(row)] - values[bytes(np.where(np.arange(n) == player, False, row))])
            / (n * math.comb(n - 1, int(row.sum()) - 1))
            for row in every[every[:, player]]
        )
        for player in range(n)
    ]
    assert (np.abs(found.score[1] - exact) <= 4 * errors + 1e-6).all()


def test_approximations_come_near_and_say_how_near(mini):
    found = input_attribution(mini, **FRANCE, methods=("shapley", "kernel_shap", "lime"), samples=4000)
    near = np.abs(scores(found, "kernel_shap") - scores(found, "shapley")).max()
    assert near < 0.05 * abs(found.gap)
    assert 0 < found.r_squared < 1
    assert abs(scores(found, "lime").sum() - found.gap) > near
    assert "LIME’s straight line explains" in " ".join(found.reading().sentences)
    again = input_attribution(mini, **FRANCE, methods=("kernel_shap", "lime"), samples=4000)
    np.testing.assert_allclose(scores(again, "lime"), scores(found, "lime"), rtol=1e-5)


@pytest.mark.parametrize(("n_steps", "most"), [(20, 1e-1), (50, 5e-3), (100, 2.6e-5)])
def test_the_integral_is_as_close_as_its_steps(mini, n_steps, most):
    worst = 0.0
    for baseline in ("mean", "token", "corrupted"):
        more = {"baseline": baseline, "baseline_token": " the", "corrupted": "The capital of Italy is"}
        game = game_of(mini, **FRANCE | more)
        worst = max(worst, abs(gradient._integral(game, n_steps).sum() - game.gap) / abs(game.gap))
    assert worst < most


def test_steps_are_doubled_until_the_sum_is_right(mini):
    found = input_attribution(mini, **FRANCE, methods=("integrated_gradients",), n_steps=2)
    assert found.steps > 2
    assert abs(found.score[1].sum() - found.gap) <= 1e-3 * abs(found.gap)


@given(words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=6), pair=st.permutations(WORDS))
@settings(max_examples=3)
def test_what_must_hold_of_any_prompt(tiny_model, architecture, words, pair):
    found = input_attribution(
        tiny_model(architecture), "".join(words), target=pair[0], foil=pair[1], baseline="token",
        baseline_token=pair[2], methods=("shapley", "integrated_gradients"), n_steps=256,
    )  # fmt: skip
    holds(found)
    assert scores(found, "shapley").sum() == pytest.approx(found.gap, abs=1e-4)
    missed = abs(scores(found, "integrated_gradients").sum() - found.gap)
    said = " ".join(found.reading().sentences)
    assert (missed <= 1e-3 * max(abs(found.gap), 1e-3) + 1e-5) or "Integrated gradients still miss" in said
    same = [i for i, player in enumerate(found.players) if player.text == pair[2]]
    assert np.abs(found.score[0][same]).max(initial=0) < 1e-4, "a word that is its own replacement does nothing"


def test_several_tokens_are_the_sum_of_their_steps(mini, hf_model):
    hf = hf_model("loupe-mini")
    found = input_attribution(
        mini, "The capital of France is", target=" Paris, the", foil=" Rome", metric="log_probability",
        methods=("leave_one_out", "integrated_gradients"),
    )  # fmt: skip
    total = 0.0
    for sign, ids in ((1, found.answer.ids), (-1, found.answer.foil_ids)):
        logits = hf(torch.tensor([[*found.tokens.ids, *ids]])).logits[0].double().log_softmax(-1)
        n = len(found.tokens)
        total += sign * sum(float(logits[n - 1 + step, token_id]) for step, token_id in enumerate(ids))
    assert len(found.answer.ids) > 1
    assert found.full == pytest.approx(total, abs=1e-4)
    assert found.answer.quantity == "log-probability difference"
    holds(found)


def test_rollout_is_the_row_of_the_attention_page(mini):
    found = input_attribution(mini, **FRANCE, pos=4, methods=("rollout",), players="span", spans="1-2, 4")
    rolled = attention(mini, FRANCE["prompt"], pos=4).rollout[4]
    np.testing.assert_allclose(scores(found, "rollout"), [rolled[1] + rolled[2], rolled[4]], rtol=1e-6)


def test_grades_are_what_deletion_takes(mini):
    found = input_attribution(mini, **FRANCE, methods=("leave_one_out", "gradient_norm"))
    order = np.argsort(-scores(found, "gradient_norm"))
    lost = []
    for count in counts(len(order)):
        positions = sorted(found.players[player].positions[0] for player in order[:count])
        spans = ", ".join(map(str, positions))
        together = input_attribution(mini, **FRANCE, methods=("leave_one_out",), players="span", spans=spans)
        lost.append((found.full - together.empty) / found.gap)
    assert found.grades[1].comprehensiveness == pytest.approx(np.mean(lost), abs=1e-5)
    assert found.grades[0].agreement == pytest.approx(1)
    assert counts(3) == [1, 1, 1, 2, 2]
    assert counts(10) == [1, 2, 3, 4, 5]


def test_parts_of_a_prompt(mini):
    prompt = "It's 9 a.m. in Zürich. Über uns… Nacht! The end"

    def parts(**kind):
        found = input_attribution(mini, prompt, methods=("leave_one_out",), baseline="zero", **kind)
        return found, [player.text for player in found.players]

    found, words = parts(players="word")
    assert "".join(words) == "".join(found.tokens.texts[1:])
    _, sentences = parts(players="sentence")
    assert len(sentences) < len(words)
    assert sentences[-1] == " The end"
    _, matches = parts(players="regex", pattern=r"\b[TN]\w+")
    assert [text.strip() for text in matches] == ["Nacht", "The"]
    assert "".join(parts()[1]) == "".join(words)


def test_every_method_and_the_floor_have_their_row(mini):
    found = input_attribution(mini, **FRANCE)
    tables = found.tables()
    assert list(tables["grades"]["method"]) == [*(method.name for method in METHODS), "random_order"]
    assert len(tables["scores"]) == len(METHODS) * len(found.players)
    assert tables["grades"].loc[[2, 3], "of_gap"].tolist() == pytest.approx([1, 1], abs=1e-3)
    assert tables["scores"]["relative"].abs().max() == 1
    reading = found.reading()
    assert reading.title.startswith("“·France” (position 4) counts most: without it, the logit difference")
    assert "Trust the row that deletion agrees with" in reading.sentences[1]
    assert "The start token “<|endoftext|>” is never taken away." in reading.sentences


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"n_steps": 0}, "n_steps", "0 steps cannot be used: choose from 1 to 512."),
        ({"samples": 25}, "samples", "25 samples cannot be used: choose from 1,000"),
        ({"methods": ("saliency",)}, "methods", "“saliency” is no method: use leave_one_out"),
        ({"players": "letter"}, "players", "“letter” is no kind of player: use token"),
        ({"baseline": "noise"}, "baseline", "“noise” is no baseline: use mean"),
        ({"baseline": "token"}, "baseline_token", "Type the token"),
        ({"baseline": "corrupted", "corrupted": "The capital of"}, "corrupted", "must be equally long"),
        ({"metric": "rank"}, "metric", "“rank” is no measure"),
        ({"players": "regex"}, "pattern", "Type a pattern"),
        ({"players": "regex", "pattern": "(a"}, "pattern", "This pattern cannot be read: missing"),
        ({"players": "regex", "pattern": "zebra"}, "pattern", "matches nothing in this prompt"),
        ({"players": "span"}, "spans", "Type the spans as positions"),
        ({"players": "span", "spans": "0-2"}, "spans", "holds the start token"),
        ({"players": "span", "spans": "3-2"}, "spans", "ends before it begins: write 2-3"),
        ({"players": "span", "spans": "1-9"}, "spans", "goes beyond position 5"),
        ({"players": "span", "spans": "1-3, 2"}, "spans", "Position 2 is in two spans"),
        ({"players": "span", "spans": "first"}, "spans", "“first” is no span"),
        ({"players": "span", "spans": "1-5", "methods": ("lime",)}, "players", "here is only one"),
        ({"pos": 0}, "pos", "only the start token"),
        ({"foil": " Paris"}, "foil", "the same"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(mini, wrong, field, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        input_attribution(mini, **FRANCE | wrong)
    assert caught.value.field == field


def test_a_pattern_that_never_ends_gets_a_sentence(mini):
    with pytest.raises(InputError, match="takes too long"):
        input_attribution(mini, "a" * 60, players="regex", pattern="(a|aa)+$(?<=b)(a|aa)+c")


def test_progress_and_what_is_foretold(mini):
    told = []
    asked = FRANCE | {"prompt": "Maria lives in Rome. The home of Maria is in", "permutations": 40}
    input_attribution(mini, **asked, progress=lambda done, total: told.append((done, total)))
    given = bound("input_attribution", asked)
    ids, runs = planned(mini, **given)
    assert len(ids) == 12
    assert {total for _, total in told} == {len(runs)}
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert done[-1] == len(runs)


def test_what_has_no_slope_is_left_out_with_its_reason(mini, monkeypatch):
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **kwargs: (None,))
    found = input_attribution(mini, **FRANCE)
    assert not set(SLOPE) & set(found.methods)
    assert "No gradient comes back to the words of loupe-mini" in " ".join(found.reading().sentences)
    with pytest.raises(InputError, match="No gradient comes back"):
        input_attribution(mini, **FRANCE, methods=("gradient_norm",))
