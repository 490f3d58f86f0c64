"""Hook names: every one is there on the model, and says which site and layer it means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.models import hooks
from mi_core.models.hooks import Site

EVERY = [value for value in vars(hooks).values() if isinstance(value, Site)]


@given(site=st.sampled_from(EVERY), layer=st.integers(0, 999))
def test_a_name_says_its_site_and_layer(site, layer):
    assert hooks.parse(site(layer)) == (site, layer)


def test_no_two_sites_are_the_same_hook():
    assert len({site.point for site in EVERY}) == len({site.name for site in EVERY}) == len(EVERY)


def test_a_hook_of_a_block_that_is_not_known_keeps_its_layer_and_name():
    site, layer = hooks.parse("blocks.7.mlp.hook_pre")
    assert layer == 7 and site(7) == "blocks.7.mlp.hook_pre" and site not in hooks.RESIDUAL


@pytest.mark.parametrize(
    "name", ["", "hook_embed", "blocks.x.hook_z", "blocks.3", "block.3.hook_z", "ln_final.hook_in"]
)
def test_what_belongs_to_no_block_is_refused(name):
    with pytest.raises(ValueError, match="is no hook of a block"):
        hooks.parse(name)


def test_axes_are_those_of_the_activation(architecture, tiny_model):
    """With no two sizes alike but the number of heads where keys are not shared."""
    model = tiny_model(architecture)
    tokens = model.tokens(" the cat sat on the dog on the")
    sizes = {
        "pos": len(tokens), "query_pos": len(tokens), "key_pos": len(tokens), "d_model": model.d_model,
        "head": model.n_heads, "kv_head": model.n_kv_heads, "neuron": model.n_neurons(1),
    }  # fmt: skip
    there = [site for site in EVERY if model.has(site(1))]
    seen = model.run(tokens, [site(1) for site in there])
    assert set(EVERY) - set(there) == ({hooks.resid_mid} if architecture == "neox" else set())
    for site in there:
        for size, axis in zip(seen[site(1)].shape, site.axes, strict=True):
            assert size == sizes.get(axis, size), (site.name, axis)


def test_index_takes_one_part_and_all_of_the_rest():
    x = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(x[hooks.v.index(head=1)], x[:, 1])
    np.testing.assert_array_equal(x[hooks.v.index(pos=1)], x[1])
    np.testing.assert_array_equal(x[hooks.pattern.index(head=1, pos=slice(2))], x[1, :2])
    np.testing.assert_array_equal(x[hooks.pattern.index(key_pos=slice(2))], x[:, :, :2])
    np.testing.assert_array_equal(x[hooks.resid_pre.index(head=1)], x)
