"""An edited model shares every weight but the edited ones, and nobody else sees the edit."""

import gc
import weakref

import pytest
import torch

from mi_core.editing.overlay import edited, for_all, kept, own_bytes, with_changes, with_edit
from mi_core.editing.recipes import Orthogonalise, Rome, canonical
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_hooks import hooks_left

PROMPT = " the cat sat on the dog"
BOSTON = Rome("The capital of Texas is", "Texas", "Boston")
ROME = Rome("The capital of France is", "France", "Rome")
AUSTIN = Orthogonalise("token:Austin")


def logits(model, prompt=PROMPT):
    return model.run(model.tokens(prompt), logits="all").logits


def out(model, layer):
    return model.bridge.blocks[layer].mlp.out.original_component


@pytest.fixture
def changed(tiny_model, architecture):
    """A tiny model, and the same with the columns of one MLP matrix in reverse order."""
    model = tiny_model(architecture)
    module = out(model, 1)
    return model, with_changes(model, [(module, "weight", module.weight.flip(1))], "flipped")


def test_only_the_changed_weight_is_new(changed):
    model, other = changed
    mine = {id(parameter) for parameter in model.bridge.original_model.parameters()}
    new = [p for p in other.bridge.original_model.parameters() if id(p) not in mine]
    assert len(new) == 1 and torch.equal(new[0], out(model, 1).weight.flip(1))
    assert own_bytes(other, model) == out(model, 1).weight.nbytes
    assert own_bytes(model, model) == 0
    assert not any(parameter.requires_grad for parameter in other.bridge.parameters())


def test_no_module_is_shared_and_hooks_stay_where_they_are_set(changed):
    model, other = changed
    mine = {id(part) for root in (model.bridge, model.bridge.original_model) for part in root.modules()}
    assert not mine & {id(part) for root in (other.bridge, other.bridge.original_model) for part in root.modules()}
    before, seen, held = logits(model), [], hooks_left(model)
    names = [*model.resid_names(), hooks.mlp_out(1), hooks.z(0), hooks.attn_out(2), hooks.mlp_key(1)]
    with other.hooked(dict.fromkeys(names, lambda value, hook: seen.append(1) or value * 0)):
        assert torch.equal(logits(model), before) and not seen
        assert hooks_left(model) == held
        assert not torch.equal(logits(other), before) and len(seen) == len(names)
    with model.hooked({hooks.mlp_out(1): lambda value, hook: value * 0}):
        blind = logits(model)
        assert not torch.equal(blind, before)
    assert torch.equal(logits(model), before)


def test_the_edited_numbers_are_those_of_plain_transformers_with_that_weight(changed, hf_model, architecture):
    import copy

    model, other = changed
    plain = copy.deepcopy(hf_model(architecture))
    names = [name for name, _ in plain.named_parameters() if ".1." in name and "mlp" in name]
    name = next(name for name in names if name.endswith(("mlp.c_proj.weight", "4h_to_h.weight", "down_proj.weight"))
                and "h_to_4h" not in name)  # fmt: skip
    plain.get_parameter(name).data.copy_(plain.get_parameter(name).flip(1))
    ids = torch.tensor([model.tokens(PROMPT).ids])
    torch.testing.assert_close(logits(other), plain(ids).logits[0], atol=1e-4, rtol=1e-4)
    assert float((logits(other) - logits(model)).abs().max()) > 1e-2


def test_a_shorter_stack_gives_the_former_numbers_bit_for_bit(mini):
    prompts = [BOSTON.prompt, ROME.prompt]
    before = [logits(mini, prompt) for prompt in prompts]
    one = [logits(edited(mini, [BOSTON]), prompt) for prompt in prompts]
    two = [logits(edited(mini, canonical([BOSTON, ROME])), prompt) for prompt in prompts]
    assert not torch.equal(one[0], before[0]) and not torch.equal(two[1], one[1])
    for again, former in (((), before), ([BOSTON], one), ([BOSTON, ROME], two), ((), before)):
        model = edited(mini, again)
        assert all(torch.equal(logits(model, prompt), old) for prompt, old in zip(prompts, former, strict=True))
    assert edited(mini, ()) is mini
    assert edited(edited(mini, [BOSTON]), [ROME]) is edited(mini, [BOSTON, ROME])


def test_both_facts_of_a_stack_hold(mini):
    model = edited(mini, [BOSTON, ROME])
    answers = [mini.text(int(logits(model, one.prompt)[-1].argmax())) for one in (BOSTON, ROME)]
    assert answers == [" Boston", " Rome"]


def test_the_same_edit_is_the_same_weights_and_another_fingerprint(mini):
    first = with_edit(mini, BOSTON)
    kept(mini).clear()
    again = with_edit(mini, BOSTON)
    assert again.model is not first.model
    assert torch.equal(out(again.model, first.how.layer).weight, out(first.model, first.how.layer).weight)
    assert again.model.fingerprint == first.model.fingerprint != mini.fingerprint
    stacks = ([BOSTON], [ROME], [BOSTON, ROME], [ROME, BOSTON])
    assert len({edited(mini, stack).fingerprint for stack in stacks}) == len(stacks)
    assert again.model.id == mini.id


def test_kept_models_are_bounded_in_bytes(mini, monkeypatch):
    kept(mini).clear()
    size = with_edit(mini, AUSTIN).own_bytes
    monkeypatch.setattr(kept(mini), "max_bytes", int(2.5 * size))
    for word in ("Paris", "Rome", "Tokyo"):
        with_edit(mini, Orthogonalise(f"token:{word}"))
    assert len(kept(mini)) == 2
    monkeypatch.setattr(kept(mini), "max_bytes", 0)
    last = with_edit(mini, Orthogonalise("token:Dublin")).model
    assert [one.model for one in kept(mini).values()] == [last]


def test_edited_models_go_when_the_model_goes(tiny_folder):
    model = load(str(tiny_folder("gpt2")))
    first = weakref.ref(with_edit(model, Orthogonalise("token:dog")).model)
    second = weakref.ref(edited(model, [Orthogonalise("token:dog"), Orthogonalise("token:cat")]))
    assert kept(first()) is kept(second()) is kept(model) and len(kept(model)) == 2
    del model
    gc.collect()
    assert first() is None and second() is None


def test_edits_that_cannot_be_made_here_are_said_to_be_the_edits(mini):
    with pytest.raises(InputError, match="edits that are on cannot be made in loupe-mini: .*no layer 77") as raised:
        for_all(mini, canonical([Rome(BOSTON.prompt, "Texas", "Boston", 77)]))
    assert raised.value.field == "edits"
