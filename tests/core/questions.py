"""Every kind of question that can be asked of a model, and all that is made of an answer."""

import json
import os
from pathlib import Path

from charts.export import FIGURES
from charts.ready import ready
from mi_core.analyses._index import find_analysis, parameters
from mi_core.errors import InputError
from mi_core.saliency.methods import APPROXIMATE, METHODS
from mi_core.sharing import export

PROMPT = " the cat sat on the dog" * 2
CORRUPTED = " the dog sat on the dog" + " the cat sat on the dog"
CONTRAST = {"direction": "contrast", "positive": " cat", "negative": " dog"}
TEXT = Path(os.environ["LOUPE_CACHE"]) / "text.txt"
TEXT.write_text("\n\n".join(" the cat sat on the dog" * 20 for _ in range(24)))
LABELLED = TEXT.with_name("labelled.csv")
LABELLED.write_text(
    "text,label,group\n"
    + "\n".join(f"{frame} {word},{word},{frame}" for frame in (" the", " on", " sat on the", " the dog") * 2
                for word in ("cat", "dog"))
)  # fmt: skip
PAIR = {"corrupted": CORRUPTED}
FAMILY = " the dog sat on the cat the dog sat on the cat | the cat sat on the cat the dog sat on the cat | cat | dog"
# KernelSHAP and LIME ask the model what Shapley asks, a thousand times.
EXACT = tuple(method.name for method in METHODS if method not in APPROXIMATE)
SITES = ("resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern")

#: Analysis → settings of each question that is asked, beside the prompt.
ASKED = {
    "ablated_text": [{"without": ("L1H1",), "max_new_tokens": 3}, {"without": ("MLP 0",), "max_new_tokens": 3},
                     {"without": ("L0N1",), "max_new_tokens": 3}],
    "ablation": [{"site": "head"}, {"site": "attn_out"}, {"site": "mlp_out"}, {"site": "neuron", "layer": 0},
                 {"site": "neuron", "layer": 2}, {"site": "position"}, {"site": "mlp_out", "pos": 1, "at": "pos"},
                 {"site": "feature"}, {"site": "head", "mode": "resample", "also": ("MLP 0",)},
                 {"site": "feature", "mode": "set", "set_to": 3.0},
                 {"site": "edge", "key_pos": 0}],
    "alignment": [PAIR],
    "analogy": [{"a": " cat", "b": " dog", "c": " the", "top_k": 3, "space": space}
                for space in ("embedding", "unembedding")],
    "attention": [{}, {"layer": 1, "head": 1, "pos": 1}, {"layer": 1, "weighted": True}],
    "attribution": [{}, {"layer": 1, "head": 1}, {"layer": 0}, {"pos": 1}],
    "attribution_graph": [{"nodes": 40, "measured": 10}, PAIR | {"basis": "component", "measured": 20},
                          PAIR | {"basis": "feature", "nodes": 40, "measured": 20, "family": FAMILY},
                          PAIR | {"basis": "neuron", "nodes": 40, "measured": 20}],
    "bigram_of_model": [{"token": " cat"}],
    "checkpoint_comparison": [{}],
    "circuit": [PAIR | {"draws": 2}, PAIR | {"unit": "edge", "draws": 1}, PAIR | {"parts": "head_neuron", "draws": 1},
                PAIR | {"parts": "head", "ablation": "resample", "draws": 1, "family": FAMILY}],
    "composition": [{}, {"gains": "folded"}],
    "cost": [{"of": "ablation", "settings": '{"prompt": " the cat"}'}],
    "counterpart": [{}],
    "directions": [{"directions": ("token: cat", "feature:1", json.dumps(CONTRAST))},
                   {"directions": ("feature:1",), "space": "embedding"}],
    "drift": [{"other_model": "loupe-mini", "tokens": 40}],
    "edit": [{"kind": "rome", "subject": " cat", "target": " dog", "layer": 0},
             {"kind": "orthogonalise", **CONTRAST, "layer": 1}],
    "feature": [{"feature": 1}],
    "features": [{}],
    "head_circuit": [{"layer": 1, "head": 1}, {"layer": 1, "head": 1, "gains": "folded", "distance": 3}],
    "head_roles": [{}, {"file": str(TEXT), "excerpts": 2, "rows": 2, "period": 4}],
    "input_attribution": [{"players": "span", "spans": "1-3, 5, 8-9", "methods": EXACT},
                          PAIR | {"baseline": "corrupted", "permutations": 20, "methods": ("shapley",)}],
    "feature_effects": [{}],
    "feature_list": [{"over": "prompt"}, {"sort": "effect"}],
    "feature_pairs": [{}],
    "lens_timeline": [{}],
    "lens_training": [{"file": str(TEXT), "steps": 2}, {"file": str(TEXT), "kind": "jacobian", "texts": 2}],
    "lens_difference": [{}],
    "investigate": [{}],
    "ioi": [{"names": "cat, dog, sat, on, the", "templates": "! {A} ! {B} ! {S} !", "n_prompts": 4},
            {"names": "cat, dog, sat, on, the", "templates": "! {A} ! {B} ! {S} !", "without": ("L1H1",)}],
    "jacobian_lens": [{}],
    "tuned_lens": [{}],
    "logit_lens": [{}, {"norm": "frozen"}, {"resid_mid": True}, {"pos": 1}],
    "max_activating": [{"feature": 1}, {"unit": "neuron", "layer": 0, "neuron": 1},
                       {"unit": "head", "layer": 1, "head": 1, "file": str(TEXT), "top_k": 3},
                       {"unit": "direction", "direction": "token: cat"}],
    "neuron": [{"layer": 0, "neuron": 1}, {"layer": 2, "neuron": 1}],
    "neurons": [{}, {"layer": 0}, {"pos": 1}],
    "neurons_and_features": [{}],
    "placebo": [{"of": "ablation", "settings": json.dumps({"prompt": PROMPT}), "draws": 3},
                {"of": "patched_run", "settings": json.dumps({"prompt": PROMPT, **PAIR, "cell": "L1@9"}), "draws": 3},
                {"of": "steering", "settings": json.dumps({"prompt": PROMPT, "direction": "token: cat"}), "draws": 3}],
    "patched_run": [PAIR | {"cell": "L1@2"}, PAIR | {"site": "head", "cell": "L1H1"}],
    "patching": [PAIR | {"site": site} for site in SITES]
                + [PAIR | {"site": site, "estimate": True} for site in SITES] + [PAIR | {"metric": "kl"}]
                + [PAIR | {"site": "head", "without": ("L0H1",)}],
    "path_patching": [PAIR | {"receiver": receiver, "site": site}
                      for receiver in ("logits", "L2H1") for site in ("head", "attn_out", "mlp_out")]
                     + [PAIR | {"receiver": "L2H1", "input": part} for part in "qkv"]
                     + [PAIR | {"mlps": "freeze"}],
    "predict": [{}, {"pos": 1, "target": " cat", "foil": " dog"}],
    "probe_use": [{"file": str(LABELLED), "layer": 1, "placebos": 2}],
    "probing": [{"file": str(LABELLED), "shuffles": 1, "c": 0.1}],
    "push_that_shows": [{}],
    "score_split": [{"layer": 1, "head": 1}, {"layer": 1, "head": 1, "parts": "components", "pos": 2}],
    "steering": [CONTRAST | {"layer": 1, "max_new_tokens": 3},
                 CONTRAST | {"layer": 1, "max_new_tokens": 3, "positions": "new"},
                 {"direction": "feature:1", "operation": "clamp", "max_new_tokens": 3}],
    "steering_sweep": [CONTRAST | {"layer": 1, "max_new_tokens": 3, "strengths": (0.0, 1.0)}],
    "tokens": [{"target": " cat", "foil": " dog"}],
    "training_timeline": [{}],
    "writing": [{"max_new_tokens": 3}, {"max_new_tokens": 3, "temperature": 1.0, "seed": 5}],
}  # fmt: skip


def refusal(model, name: str, settings: dict) -> str:
    """Why this model does not answer the question, as people are told; "" where it answers."""
    given = settings | ({"prompt": PROMPT} if "prompt" in parameters(name) else {})
    try:
        result = find_analysis(name)(model, **given)
    except InputError as error:
        assert error.message[0].isupper() or error.message.startswith(model.id), error.message
        assert error.message.endswith("."), error.message
        return error.message
    _check(name, result)
    if settings is ASKED[name][0]:
        _draw(name, result)
    return ""


def _check(name, result):
    reading = result.reading()
    assert "nan" not in f"{reading.title} {' '.join(reading.sentences)}".lower().split()
    broken = [check for check in result.checks if not check.passed]
    assert not broken, f"{name}: {broken}"


def _draw(name, result):
    """All that people are given: sentences, tables and chart, in a file."""
    reading = result.reading()
    export.html_page(result.tables(), reading.title, reading.sentences)
    if name in FIGURES:
        ready(FIGURES[name](result))
