"""Every architecture that TransformerLens lists and transformers alone can build: right, or refused with a sentence.

A run of all of it (`python3 loupe.py test -m matrix`) writes docs/models.md, from what each test reports of its model.
"""

import json
import re

import numpy as np
import pytest
import torch
import transformers

from mi_core.analyses.ablation import ablation
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.patching import patching
from mi_core.analyses.predict import predict
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests import models_page
from tests.architectures import ARCHITECTURES, MODELS, SUPPORTED_ARCHITECTURES, listed
from tests.conftest import _tokenizer
from tests.core.questions import ASKED, CORRUPTED, PROMPT, refusal
from tests.core.sae_folders import save_sae
from tests.families import family

OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense", "Wo")  # what families call the last projection of attention
CLOSE = {"rtol": 0, "atol": 2e-3}


@pytest.mark.matrix
@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_right_or_refused(name, tmp_path, monkeypatch, record_property, unchecked_shapes):
    folder = family(tmp_path / MODELS[name][0], name, _tokenizer())
    for layer in (0, 1):
        save_sae(folder, hooks.resid_pre(layer), "topk")
    monkeypatch.chdir(tmp_path)
    try:
        model = load(folder.name)
    except InputError as error:
        assert error.message.startswith(folder.name) and error.message.endswith(".")
        record_property(models_page.ROW, json.dumps({"name": name, "refused": error.message}))
        return
    plain = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    failed, refusals = [], []
    for check in (_guesses_are_the_models_own, _heads_are_knocked_out, _streams_are_patched):
        _collect(failed, check.__name__, lambda check=check: check(model, plain))
    for analysis, questions in ASKED.items():
        for settings in questions:
            asked = f"{analysis} {settings}"
            reason = _collect(failed, asked, lambda a=analysis, s=settings: refusal(model, a, s))
            refusals.append((models_page.thing(analysis, settings), reason))
    assert not failed, "\n".join(failed)
    record_property(models_page.ROW, json.dumps({"name": name, "refusals": refusals}))


def _collect(failed: list[str], name: str, ask):
    try:
        return ask()
    except Exception as error:  # all of them are listed
        failed.append(f"{name}: {type(error).__name__}: {error}")


# Against plain transformers --------------------------------------------------------------------------------------


def _logits(plain, ids, *hooked) -> np.ndarray:
    """The plain model's last logits, with hooks of torch's own: (register, function) each."""
    handles = [register(function) for register, function in hooked]
    try:
        with torch.no_grad():
            return plain(torch.tensor([list(ids)]), use_cache=False).logits[0, -1].numpy()
    finally:
        for handle in handles:
            handle.remove()


def _guesses_are_the_models_own(model, plain):
    found = predict(model, PROMPT)
    own = _logits(plain, found.tokens.ids)
    np.testing.assert_allclose(found.top_logits, own[found.prediction_ids], **CLOSE)
    assert found.prediction_ids[0] == own.argmax()
    try:
        lens = logit_lens(model, PROMPT)
    except InputError:
        return
    np.testing.assert_allclose(lens.top_logits[-1, -1], own[lens.prediction_ids[-1, -1]], **CLOSE)


def _heads_are_knocked_out(model, plain):
    try:
        found = ablation(model, PROMPT, site="head", mode="zero")
    except InputError:
        return
    for layer, head, value in zip(found.component_layers, found.component_numbers, found.value, strict=True):
        module = _output(plain, layer)

        def silence(module, args, head=head):
            x = args[0].clone()
            width = x.shape[-1] // model.n_heads
            x[..., head * width : (head + 1) * width] = 0
            return (x, *args[1:])

        own = _logits(plain, found.tokens.ids, (module.register_forward_pre_hook, silence))
        np.testing.assert_allclose(value, own[found.target.token_id], **CLOSE)


def _streams_are_patched(model, plain):
    try:
        found = patching(model, PROMPT, corrupted=CORRUPTED)
    except InputError:
        return
    block, seen = _blocks(plain)[1], {}

    def keep(module, args, kwargs):
        seen["clean"] = (args[0] if args else kwargs["hidden_states"]).clone()

    _logits(plain, found.tokens.ids, (lambda f: block.register_forward_pre_hook(f, with_kwargs=True), keep))
    for pos in (found.first_difference, len(found.tokens) - 1):

        def put(module, args, kwargs, pos=pos):
            x = (args[0] if args else kwargs["hidden_states"]).clone()
            x[:, pos] = seen["clean"][:, pos]
            return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

        hooked = (lambda f: block.register_forward_pre_hook(f, with_kwargs=True), put)
        own = _logits(plain, found.corrupted_tokens.ids, hooked)
        foil = 0 if found.target.foil_id is None else own[found.target.foil_id]
        np.testing.assert_allclose(found.value[1, pos], own[found.target.token_id] - foil, **CLOSE)


def _blocks(plain) -> torch.nn.ModuleList:
    n = plain.config.num_hidden_layers
    return next(part for part in plain.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == n)


def _output(plain, layer: int) -> torch.nn.Module:
    """The last projection of a block's attention."""
    for name, module in _blocks(plain)[layer].named_modules():
        *parents, last = name.split(".")
        if last in OUTPUTS and any("attn" in parent or "attention" in parent for parent in parents):
            return module
    raise LookupError(f"no projection of {layer}")


# What the matrix is, and the page that says so ---------------------------------------------------------------------


def test_the_matrix_has_every_architecture_that_is_listed():
    assert set(ARCHITECTURES) | set(models_page.ELSEWHERE) == set(listed())
    assert not set(ARCHITECTURES) & set(models_page.ELSEWHERE)


def test_the_page_has_every_model_of_the_matrix_once():
    page = models_page.PAGE.read_text(encoding="utf-8")
    sections = r"\n## (?:All of it works|Works, but for|Does not open)\n\n(.*?)(?=\n\n)"
    tried = "".join(re.findall(sections, page, re.DOTALL))
    named = re.findall(r"`([^`]+)`(?: \(([^)]+)\))?(?=[,. ])", tried)
    assert sorted(", ".join(filter(None, name)) for name in named) == sorted(MODELS)


@pytest.mark.parametrize("name", sorted(set(SUPPORTED_ARCHITECTURES) - set(listed().values())))
def test_what_is_listed_and_no_model_of_text_is_refused(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [name]}))
    with pytest.raises(InputError, match=f"is a {name}, which Loupe cannot look into: choose a model that writes text"):
        load(str(tmp_path))
