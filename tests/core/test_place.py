"""Places against plain transformers: what a part is, what putting another value there does, and how many there are."""

import numpy as np
import pytest
import torch

from mi_core.ablation import component
from mi_core.interventions import place as places
from mi_core.interventions.intervention import run_with
from mi_core.interventions.place import Part, Place
from mi_core.models import hooks
from mi_core.patching import site as patch_site
from tests.core.plain_hooks import activations, run_edited

PROMPT = " the cat sat on the dog"
EVERY = [value for value in vars(places).values() if isinstance(value, Place)]
PLAIN = [place for place in EVERY if place != places.PATTERN]  # transformers' own weights cannot be exchanged by a hook
LAYER = 1


def names(place: Place) -> str:
    return f"{place.kind.name} {place.kind.forms[0]}"


def index(part: Part) -> tuple:
    """Of a part in a plain activation [pos, head or neuron, …], written out by hand."""
    numbers = part.numbers
    where = slice(numbers["pos"], numbers["pos"] + 1) if "pos" in numbers else slice(None)
    if "head" in numbers:
        return where, numbers["head"]
    return (where, slice(numbers["neuron"], numbers["neuron"] + 1)) if "neuron" in numbers else (where,)


def some(place: Place, model, n_pos: int) -> list[Part]:
    every = list(place.parts(model, [LAYER], n_pos))
    return [every[0], every[len(every) // 2], every[-1]]


def test_every_place_is_asked_for_somewhere():
    assert {*component.PLACES, *patch_site.PLACES} == set(EVERY)
    assert len({(place.kind.name, place.kind.forms) for place in EVERY}) == len(EVERY)


@pytest.mark.parametrize("place", PLAIN, ids=names)
def test_a_part_is_its_slice_of_the_plain_activation(architecture, tiny_model, hf_model, place):
    model = tiny_model(architecture)
    tokens = model.tokens(PROMPT)
    run = model.run(tokens, [place.site(LAYER)])
    plain = activations(hf_model(architecture), tokens.ids, place.site.name)[LAYER]
    for part in some(place, model, len(tokens)):
        rows = index(part)[0]
        np.testing.assert_allclose(part.of(run[part.hook])[rows], plain[index(part)], atol=1e-4)


@pytest.mark.parametrize("place", PLAIN, ids=names)
def test_another_value_in_its_place_is_a_hook_written_by_hand(architecture, tiny_model, hf_model, place):
    model, hf = tiny_model(architecture), hf_model(architecture)
    tokens = model.tokens(PROMPT)
    run = model.run(tokens, [place.site(LAYER)], logits="all")
    for part in some(place, model, len(tokens)):
        value = torch.rand(part.of(run[part.hook]).shape, generator=torch.Generator().manual_seed(0))
        found = run_with(model, tokens, [part.put(value)], logits="all").logits
        rows = index(part)[0]
        edit = (place.site.name, LAYER, lambda x, part=part, new=value[rows]: x.__setitem__(index(part), new))
        np.testing.assert_allclose(found, run_edited(hf, tokens.ids, [edit]), atol=1e-4)
        assert (found - run.logits).abs().max() > 1e-3


@pytest.mark.parametrize("place", EVERY, ids=names)
def test_its_own_value_in_its_place_changes_nothing(architecture, tiny_model, place):
    model = tiny_model(architecture)
    tokens = model.tokens(PROMPT)
    run = model.run(tokens, [place.site(LAYER)], logits="all")
    for part in some(place, model, len(tokens)):
        own = part.put(part.of(run[part.hook]), first=2, end=len(tokens))
        assert torch.equal(run_with(model, tokens, [own], logits="all").logits, run.logits)


def test_attention_weights_are_those_of_transformers(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    tokens = model.tokens(PROMPT)
    run = model.run(tokens, [hooks.pattern(LAYER)])
    plain = hf(torch.tensor([tokens.ids]), output_attentions=True).attentions[LAYER][0]
    for part in some(places.PATTERN, model, len(tokens)):
        np.testing.assert_allclose(part.of(run[part.hook]), plain[part.number], atol=1e-4)


@pytest.mark.parametrize("place", EVERY, ids=names)
def test_a_map_has_a_cell_for_every_part_and_sums_over_what_each_holds(architecture, tiny_model, place):
    model = tiny_model(architecture)
    tokens = model.tokens(PROMPT)
    n_pos = len(tokens) - 1
    parts = list(place.parts(model, range(model.n_layers), n_pos))
    cells = {part.cell(range(model.n_layers)) for part in parts}
    assert len(cells) == len(parts) == np.prod(place.shape(model, n_pos))
    assert np.array(list(cells)).max(0).tolist() == [size - 1 for size in place.shape(model, n_pos)]
    held = place.until(model.run(tokens, [place.site(LAYER)])[place.site(LAYER)], n_pos)
    sums = place.summed(held)
    assert sums.shape == place.shape(model, n_pos)[1:]
    for part in some(place, model, n_pos):
        rows = slice(part.numbers["pos"], part.numbers["pos"] + 1) if "pos" in part.numbers else slice(None)
        np.testing.assert_allclose(sums[part.at], part.of(held)[rows].sum(), atol=1e-4)


def test_positions_before_the_first_are_left_out(tiny_model):
    model = tiny_model("gpt2")
    found = list(places.HEAD_AT.parts(model, [0, 2], n_pos=5, first=3))
    cells = [part.cell((0, 2)) for part in found]
    assert cells == [(row, h, pos) for row in (0, 1) for h in range(4) for pos in (3, 4)]


def test_keys_and_values_are_counted_by_key_value_head(tiny_model):
    for architecture, n in (("gpt2", 4), ("llama", 2)):
        model = tiny_model(architecture)
        assert [place.sizes(model, 0, 9) for place in (places.QUERIES, places.KEYS, places.VALUES)] == [
            (4,),
            (n,),
            (n,),
        ]
