"""Every analysis, asked of a model of every kind, gives a result or a sentence of our own."""

import pytest

from charts.export import FIGURES
from charts.ready import ready
from mi_core.analyses._index import analysis_names, find_analysis
from mi_core.errors import InputError
from mi_core.models.loading import load
from mi_core.sharing import export
from tests.conftest import _tokenizer
from tests.families import FAMILIES, family

PROMPT = " the cat sat on the dog" * 2
CORRUPTED = " the dog sat on the dog" + " the cat sat on the dog"
CONTRAST = {"direction": "contrast", "positive": " cat", "negative": " dog"}
PAIR = {"corrupted": CORRUPTED}
SITES = ("resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern")

#: Analysis → settings of each question that is asked, beside the prompt.
ASKED = {
    "ablated_text": [{"without": ("L1H1",), "max_new_tokens": 3}, {"without": ("MLP 0",), "max_new_tokens": 3},
                     {"without": ("L0N1",), "max_new_tokens": 3}],
    "ablation": [{"site": "head"}, {"site": "attn_out"}, {"site": "mlp_out"}, {"site": "neuron", "layer": 0},
                 {"site": "neuron", "layer": 2}, {"site": "position"}, {"site": "head", "pos": 1, "at": "pos"},
                 {"site": "feature"}, {"site": "head", "mode": "resample", "also": ("MLP 0",)}],
    "alignment": [PAIR],
    "attention": [{}, {"layer": 1, "head": 1, "pos": 1}, {"layer": 1, "weighted": True}],
    "attribution": [{}, {"layer": 1, "head": 1}, {"layer": 0}, {"pos": 1}],
    "cost": [{"of": "ablation", "settings": '{"prompt": " the cat"}'}],
    "counterpart": [{}],
    "edit": [{"kind": "rome", "subject": " cat", "target": " dog", "layer": 1},
             {"kind": "orthogonalise", **CONTRAST, "layer": 1}],
    "feature": [{"feature": 1}],
    "features": [{}],
    "logit_lens": [{}, {"norm": "frozen"}, {"resid_mid": True}, {"pos": 1}],
    "patched_run": [PAIR | {"cell": "L1@2"}, PAIR | {"site": "head", "cell": "L1H1"}],
    "patching": [PAIR | {"site": site} for site in SITES]
                + [PAIR | {"site": site, "estimate": True} for site in SITES] + [PAIR | {"metric": "kl"}],
    "path_patching": [PAIR | {"receiver": receiver, "site": site}
                      for receiver in ("logits", "L2H1") for site in ("head", "attn_out", "mlp_out")]
                     + [PAIR | {"receiver": "L2H1", "input": part} for part in "qkv"]
                     + [PAIR | {"mlps": "freeze"}],
    "predict": [{}, {"pos": 1, "target": " cat", "foil": " dog"}],
    "steering": [CONTRAST | {"layer": 1, "max_new_tokens": 3},
                 CONTRAST | {"layer": 1, "max_new_tokens": 3, "positions": "new", "operation": "clamp"}],
    "steering_sweep": [CONTRAST | {"layer": 1, "max_new_tokens": 3, "strengths": (0.0, 1.0)}],
    "tokens": [{"target": " cat", "foil": " dog"}],
}  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    return load(str(family(tmp_path_factory.mktemp("family") / "model", request.param, _tokenizer())))


def test_every_analysis_is_asked():
    assert set(ASKED) == set(analysis_names())


@pytest.mark.slow
def test_every_analysis_answers_or_says_why_not(model, unchecked_shapes):
    failed = []
    for name, questions in ASKED.items():
        for settings in questions:
            try:
                _show(name, _ask(model, name, settings))
            except InputError as error:
                assert error.message[0].isupper() or error.message.startswith(model.id), error.message
                assert error.message.endswith("."), error.message
            except Exception as error:  # all of them are listed
                failed.append(f"{name} {settings}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)


def _ask(model, name, settings):
    given = settings if name == "cost" else settings | {"prompt": PROMPT}
    return find_analysis(name)(model, **given)


def _show(name, result):
    """All that is made of a result: tables, sentences, chart, file."""
    reading = result.reading()
    assert "nan" not in f"{reading.title} {' '.join(reading.sentences)}".lower().split()
    broken = [check for check in result.checks if not check.passed]
    assert not broken, f"{name}: {broken}"
    export.html_page(result.tables(), reading.title, reading.sentences)
    if name in FIGURES:
        ready(FIGURES[name](result))
