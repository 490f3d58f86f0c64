"""The text written without some parts, against plain transformers that read it anew for every token."""

import json
from pathlib import Path
from shutil import copytree

import pytest
import torch

from mi_core.analyses.ablated_text import ablated_text
from mi_core.analyses.ablation import ablation
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.sae_folders import save_sae, standard_encode, weights_of

PROMPT = " the cat sat on the dog"
NAMES = "When Mary and John went to the store, John gave a drink to"
COPYING = " river table garden apple Tuesday river table garden apple"


def written(model, hf, ids, edits, n):
    """The likeliest token n times, each from a whole new run: `edits` are made from the ids read so far."""
    found = []
    for _ in range(n):
        found.append(int(run_edited(hf, [*ids, *found], edits)[-1].argmax()))
    return tuple(model.texts(found))


@pytest.mark.parametrize("mode", ["zero", "mean"])
def test_the_text_equals_one_written_by_hand(architecture, tiny_model, hf_model, mode):
    """A head, an MLP, an attention layer and a neuron are out in the prompt and in every new token."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    out = ("L1H2", "MLP 0", "attention 2", "L1N5")
    found = ablated_text(model, PROMPT, without=out, mode=mode, reference=PROMPT, max_new_tokens=8)
    ids, bos = found.tokens.ids, int(found.tokens.has_bos)

    def instead(site, layer):
        x = activations(hf, ids, site)[layer]
        return torch.zeros_like(x[0]) if mode == "zero" else x[bos:].mean(0)

    put = {site: instead(*site) for site in (("z", 1), ("mlp_out", 0), ("attn_out", 2), ("post", 1))}
    kept = bos if mode == "mean" else 0  # a start token's mean is its own
    rest = slice(kept, None)
    edits = [
        ("z", 1, lambda x: x.__setitem__((rest, 2), put["z", 1][2])),
        ("mlp_out", 0, lambda x: x.__setitem__(rest, put["mlp_out", 0])),
        ("attn_out", 2, lambda x: x.__setitem__(rest, put["attn_out", 2])),
        ("post", 1, lambda x: x.__setitem__((rest, 5), put["post", 1][5])),
    ]
    expected = (written(model, hf, ids, [], 8), written(model, hf, ids, edits, 8))
    assert found.written == tuple(text[: len(new)] for text, new in zip(expected, found.written, strict=True))
    assert expected[0] != expected[1]
    assert found.parting == next((i for i, (a, b) in enumerate(zip(*found.written, strict=False)) if a != b), None)
    assert all(check.passed for check in found.checks)


def test_a_feature_is_out_in_what_is_written_too(tiny_folder, tmp_path, hf_model):
    folder = copytree(tiny_folder("llama"), tmp_path / "llama")
    save_sae(folder, hooks.resid_pre(1))
    model, hf, w = load(str(folder)), hf_model("llama"), weights_of(folder / "saes" / hooks.resid_pre(1))
    strongest = ablation(model, PROMPT, site="feature", mode="zero")
    feature = strongest.component_numbers[strongest.strongest]
    found = ablated_text(model, PROMPT, without=(f"feature {feature}",), mode="zero", max_new_tokens=10)
    bos = int(found.tokens.has_bos)

    def edit(x):
        x[bos:] -= standard_encode(x[bos:].clone(), w)[:, feature, None] * w["W_dec"][feature]

    expected = written(model, hf, found.tokens.ids, [("resid_pre", 1, edit)], 10)
    assert found.written[1] == expected[: len(found.written[1])] and found.without == (f"feature {feature}",)
    assert Path(model.id) == folder


def test_a_position_is_out_in_the_prompt_only(mini, hf_model):
    found = ablated_text(mini, "The capital of Texas is", without=("L0P4",), mode="zero", max_new_tokens=6)
    edit = ("resid_pre", 0, lambda x: x.__setitem__(4, 0.0))
    expected = written(mini, hf_model("loupe-mini"), found.tokens.ids, [edit], 6)
    assert found.written[1] == expected and found.texts[0].startswith(" Austin") and found.parting == 0
    assert "the next word is" in found.reading().title


def test_nothing_out_changes_nothing(mini):
    found = ablated_text(mini, NAMES)
    assert found.written[0] == found.written[1] and found.parting is None and len(found.written[0]) == 20
    assert found.reading().title == "With nothing out, nothing changes"


def test_it_is_what_the_ablation_foretells(mini):
    """The first new token is the likeliest of the very run that the ablation measures."""
    swept = ablation(mini, COPYING, site="head")
    worst = swept.components[int(swept.change.argmin())]
    found = ablated_text(mini, COPYING, without=(worst,))
    assert found.written[0][0] == " Tuesday" and found.written[1][0] != " Tuesday"
    assert worst in found.reading().title and "Tuesday" in found.reading().title


def test_progress_streams_both_texts_with_no_hook_active(mini):
    held, seen = hooks_left(mini), []

    def progress(done, total, partial=None):
        assert hooks_left(mini) == held
        seen.append((done, total, partial))

    found = ablated_text(mini, COPYING, without=("L0H1", "feature 115"), max_new_tokens=5, progress=progress)
    texts = [step for step in seen if step[2] is not None]
    assert [step[0] for step in texts] == [1, 2, 3, 4, 5] and texts[-1][2] == found.texts

    def stop(done, total, partial=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablated_text(mini, COPYING, without=("L0H1",), progress=stop)
    assert hooks_left(mini) == held


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"without": ("L9H0",)}, "There is no layer 9", "without"),
        ({"without": ("head 3",)}, "“head 3” is no component: write L3H0", "without"),
        ({"without": ("L0P99",)}, "There is no token 99", "without"),
        ({"without": ("L0H0",), "mode": "half"}, "“half” is no way to ablate", "mode"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0", "max_new_tokens"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        ablated_text(mini, NAMES, **chosen)
    assert caught.value.field == field


def test_on_the_command_line(mini, capsys):
    words = ["--prompt", COPYING, "--without", "L0H1", "--without", "MLP 0", "--format", "json"]
    assert main(["ablated-text", *words]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["texts"]
    found = ablated_text(mini, COPYING, without=("L0H1", "MLP 0"))
    assert [row["text"] for row in rows] == list(found.texts)
