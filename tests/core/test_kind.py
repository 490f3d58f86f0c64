"""One grammar for the names of parts: what is written is understood, and what is not gets a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.ablation.component import KINDS, PLACES, Feature, component
from mi_core.errors import InputError
from mi_core.interventions.kind import FEATURE, parse
from mi_core.interventions.place import ATTENTION, HEAD, HEAD_AT, MLP, NEURON, POSITION, RESID_PRE, Part
from mi_core.patching import site as patch_site
from mi_core.patching.paths import inputs

EVERY = list(dict.fromkeys([*KINDS, *(place.kind for place in patch_site.PLACES)]))
COMPONENTS = (*PLACES, FEATURE)


def numbers(data, kind) -> dict[str, int]:
    names = [*(["layer"] if "{layer}" in kind.forms[0] else []), *kind.axes]
    return {name: data.draw(st.integers(0, 10**9 - 1), label=name) for name in names}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.name} {kind.forms[0]}")
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_is_spelled_is_understood_in_every_form(kind, data):
    given_numbers = numbers(data, kind)
    written = kind.spell(**given_numbers)
    for name in (
        written,
        written.lower(),
        written.upper(),
        f"  {written} ",
        *(f.format(**given_numbers) for f in kind.forms),
    ):
        assert kind.understand(name) == given_numbers
    assert parse(written, [kind]) == (kind, given_numbers)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_two_kinds_of_component_share_a_name(data):
    kind = data.draw(st.sampled_from(KINDS))
    given_numbers = numbers(data, kind)
    assert [other for other in KINDS if other.understand(kind.spell(**given_numbers)) is not None] == [kind]


@pytest.mark.parametrize(
    ("name", "place", "layer", "at"),
    [
        ("L3H0", HEAD, 3, (0,)),
        ("l3h0", HEAD, 3, (0,)),
        ("MLP 3", MLP, 3, ()),
        ("mlp 0", MLP, 0, ()),
        ("attention 3", ATTENTION, 3, ()),
        ("L3N17", NEURON, 3, (17,)),
        ("L3P4", POSITION, 3, (4,)),
        ("L3@4", POSITION, 3, (4,)),
    ],
)
def test_components_as_they_stand_in_links_and_commands(mini, name, place, layer, at):
    assert component(mini, name, "also", n_pos=6) == Part(place, layer, at)


def test_a_feature_is_one_of_the_autoencoder_that_is_meant(mini):
    hook = "blocks.2.hook_resid_pre"
    found = component(mini, "feature 115", "also", 6, sae=hook)
    assert found == Feature(hook, 2, 115, sae=hook) and found.name == "feature 115"


@pytest.mark.parametrize(("name", "at"), [("L2@4", (4,)), ("L2P4", (4,)), ("l2p4", (4,))])
def test_a_position_is_understood_in_either_spelling_by_patching_too(mini, name, at):
    assert patch_site.cell(mini, RESID_PRE, name, 6) == Part(RESID_PRE, 2, at)
    assert patch_site.cell(mini, RESID_PRE, name, 6).name == "L2@4"


def test_a_head_at_a_position(mini):
    assert patch_site.cell(mini, HEAD_AT, "L2H3@4", 6).cell(range(4)) == (2, 3, 4)


JUNK = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"L[0-9]*[HNP@]?[0-9]{0,12}", fullmatch=True),
    st.from_regex(r"(MLP|attention|feature) ?[0-9]{0,12}", fullmatch=True),
    st.just("L" + "9" * 5000 + "H1"),
    st.just("feature " + "9" * 5000),
)


@settings(max_examples=150, deadline=None)
@given(name=JUNK)
def test_any_text_is_a_component_or_gets_a_sentence(mini, name):
    try:
        found = component(mini, name, "also", n_pos=6)
    except InputError as error:
        assert error.field in ("also", "sae") and error.message.endswith(".") and len(error.message) < 200
    else:
        assert found.kind.understand(name) is not None


@settings(max_examples=150, deadline=None)
@given(name=JUNK, place=st.sampled_from(patch_site.PLACES))
def test_any_text_is_a_cell_or_gets_a_sentence(mini, name, place):
    try:
        found = patch_site.cell(mini, place, name, n_pos=6)
    except InputError as error:
        assert error.field == "cell" and "." in error.message
    else:
        assert place.kind.understand(found.name) == place.kind.understand(name)


@settings(max_examples=60, deadline=None)
@given(name=JUNK)
def test_any_text_is_a_receiver_or_gets_a_sentence(mini, name):
    try:
        found = inputs(mini, name)
    except InputError as error:
        assert error.field == "receiver" and "." in error.message
    else:
        assert name.strip().lower() == "logits" or {to.name for to in found.values()} == {
            HEAD.kind.spell(**HEAD.kind.understand(name))
        }
