"""Every sentence of every analysis is held against its table: on stories, on other prompts, where nothing moves."""

import dataclasses

import pytest

import mi_core
from mi_core.errors import InputError
from tests.sentences import faults
from ui.parts.presets import PRESETS

MODEL = "loupe-mini"
STORIES = {preset.title: (preset.prompt, preset.target, preset.foil, preset.corrupted) for preset in PRESETS}
OWN = {
    "another capital": ("The capital of Ohio is", "", "", "The capital of Spain is"),
    "one word": ("Hello", "", "", "Hillo"),
    "Spanish": ("El perro come en la casa y el gato", "", "", "El perro come en la cama y el gato"),
    "typos": ("Teh capitl of Frnace iz", "", "", "Teh capitl of Spnace iz"),
    "nothing moves": ("A b c d e f g", " h", " Paris", "Z b c d e f g"),
}
SAE = "blocks.2.hook_resid_pre"
PRAISE = {"direction": "feature:306", "sae": SAE, "max_new_tokens": 12}
CASES = [pytest.param(*case, id=name, marks=() if name == "A fact about the world" else pytest.mark.slow)
         for name, case in (STORIES | OWN).items()]  # fmt: skip


def asked(prompt: str, target: str, foil: str, corrupted: str):
    """(analysis, settings) of what the pages ask, and of what moves nothing."""
    reading, asking = {"prompt": prompt}, {"prompt": prompt, "target": target or None, "foil": foil or None}
    pair = asking | {"corrupted": corrupted}
    yield from (("predict", asking), ("predict", asking | {"pos": 1}), ("logit_lens", asking))
    yield "logit_lens", asking | {"norm": "frozen", "resid_mid": True, "pos": 2}
    yield "logit_lens", asking | {"target": "the", "foil": None}
    yield from (("tuned_lens", asking), ("lens_difference", asking))
    yield from (("attention", reading | more) for more in ({}, {"layer": 2, "head": 0}, {"weighted": True, "pos": 1}))
    yield from (("attribution", asking | more) for more in ({}, {"layer": 1, "head": 1}, {"layer": 3}))
    yield from (("features", reading), ("features", reading | {"pos": 1}))
    yield from (
        ("feature_effects", asking),
        ("feature_pairs", reading),
        ("feature_list", reading | {"sort": "density"}),
    )
    yield "feature_list", asking | {"over": "prompt", "sort": "effect", "max_density": 0.05, "search": "facts"}
    yield from (("feature", reading | {"feature": number}) for number in (66, 115, 306))
    yield from (("neurons", asking), ("neurons", asking | {"layer": 2, "pos": 1}), ("neurons_and_features", asking))
    yield from (("neuron", asking | {"layer": layer, "neuron": 17}) for layer in range(4))
    for site in ("head", "attn_out", "mlp_out", "feature", "position"):
        yield "ablation", asking | {"site": site, "mode": "zero"}
    yield "ablation", asking | {"site": "head", "layer": 2, "also": ("L3H0",)}
    yield "ablation", asking | {"site": "head", "layer": 2, "head": 1}
    yield "ablation", asking | {"site": "position", "layer": 0, "token": 2, "also": ("L0P1",)}
    yield "ablation", asking | {"site": "feature", "mode": "zero", "feature": 115}
    yield from (
        ("ablated_text", reading | {"without": part, "max_new_tokens": 8}) for part in ((), ("L3H0",), ("L0H2",))
    )
    yield "alignment", {"prompt": prompt, "corrupted": corrupted}
    for site in ("resid_pre", "mlp_out", "head", "q"):
        yield from (("patching", pair | {"site": site, "direction": way}) for way in ("denoise", "noise"))
    yield "patching", pair | {"site": "attn_out", "estimate": True, "metric": "kl"}
    yield "patching", pair | {"site": "head", "metric": "probability"}
    yield from (("patched_run", pair | {"cell": cell}) for cell in ("L1@0", "L3@1"))
    yield "patched_run", pair | {"site": "head", "cell": "L0H3"}
    yield from (("path_patching", pair), ("path_patching", pair | {"receiver": "L2H0", "input": "q"}))
    yield "path_patching", pair | {"site": "mlp_out", "direction": "noise"}
    yield "counterpart", {"prompt": prompt, "target": target or None}
    yield "push_that_shows", {"prompt": prompt, "foil": foil or None}
    yield from (("steering", reading | PRAISE | {"strength": strength}) for strength in (0.0, 0.001, 0.5, -1.3))
    yield "steering", reading | PRAISE | {"operation": "clamp", "strength": 1.0}
    yield "steering_sweep", reading | PRAISE | {"target": target or None}
    yield "steering_sweep", reading | PRAISE | {"strengths": (0.0,)}
    yield from (("writing", reading | {"max_new_tokens": 8} | more) for more in ({}, {"temperature": 1.5, "seed": 2}))
    yield from (("analogy", words) for words in ({}, {"a": "king", "b": "man", "c": "woman"}))
    yield from (("directions", {"directions": names}) for names in (("token:sad", "feature:306"), ("token:sad",)))
    units = ({"feature": 66}, {"unit": "neuron", "layer": 2, "neuron": 17}, {"unit": "head", "layer": 1, "head": 2})
    yield from (("max_activating", which) for which in (*units, {"unit": "direction", "direction": "token:sad"}))
    yield "edit", reading | {"kind": "orthogonalise", "direction": "token:happy"}


@pytest.mark.parametrize(("prompt", "target", "foil", "corrupted"), CASES)
def test_every_sentence_is_held_against_its_table(prompt, target, foil, corrupted):
    found, held = [], set()
    for analysis, settings in asked(prompt, target, foil, corrupted):
        try:
            result = mi_core.run(analysis, MODEL, **settings)
        except InputError:  # prompts that are no pair, a part that this prompt has not: there is no sentence
            continue
        held.add(analysis)
        found += [f"{analysis} {settings}: {fault}" for fault in faults(result)]
    assert not found, "\n".join(found)
    assert len(held) >= 12


def test_a_rewritten_fact_is_held_too():
    preset = PRESETS[0]
    settings = {"subject": preset.subject, "target": preset.rewritten, "paraphrases": preset.rephrased.strip()}
    assert faults(mi_core.run("edit", MODEL, prompt=preset.prompt, **settings)) == []


@pytest.mark.parametrize(
    ("analysis", "settings", "change"),
    [
        ("attribution", {}, lambda found: {"contribution": -found.contribution[::-1].copy()}),
        ("ablation", {"site": "head"}, lambda found: {"components": found.components[::-1]}),
        ("steering", PRAISE, lambda found: {"kl": found.kl + 1}),
    ],
)
def test_a_sentence_that_is_false_is_found(analysis, settings, change, monkeypatch):
    result = mi_core.run(analysis, MODEL, prompt=PRESETS[0].prompt, **settings)
    reading = result.reading()
    other = dataclasses.replace(result, **change(result))
    assert not faults(result)
    monkeypatch.setattr(type(result), "reading", lambda self: reading)
    assert faults(other)
