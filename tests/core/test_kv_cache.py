"""Room for keys and values: the same as transformers' own layer, row by row."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from mi_core.models import kv_cache


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.integers(1, 5), min_size=1, max_size=6), n_rows=st.integers(1, 4), seed=st.integers(0, 999))
def test_room_holds_what_transformers_own_layer_holds(steps, n_rows, seed):
    generator = torch.Generator().manual_seed(seed)
    room, own = kv_cache.Room(n_rows, sum(steps)), DynamicLayer()
    for n_pos in steps:
        keys, values = torch.randn(2, n_rows, 3, n_pos, 4, generator=generator)
        for found, expected in zip(room.update(keys, values), own.update(keys, values), strict=True):
            assert torch.equal(found, expected)
        assert room.get_seq_length() == own.get_seq_length()
        assert room.get_mask_sizes(1) == own.get_mask_sizes(1)


def test_a_single_row_stands_for_all(architecture, tiny_model):
    model = tiny_model(architecture)
    cache = kv_cache.roomy(model, 3, 20)
    ids = torch.tensor([model.tokens(" the cat sat").ids])
    with torch.no_grad():
        model.bridge.original_model(input_ids=ids, past_key_values=cache, use_cache=True)
        kv_cache.repeat(cache, 3)
        last = torch.tensor([[5], [5], [9]])
        found = model.bridge.original_model(input_ids=last, past_key_values=cache, use_cache=True).logits[:, 0]
        for row in range(3):
            whole = torch.cat([ids, last[row, None]], dim=1)
            expected = model.bridge.original_model(input_ids=whole, use_cache=False).logits[0, -1]
            torch.testing.assert_close(found[row], expected, atol=2e-4, rtol=1e-4)
