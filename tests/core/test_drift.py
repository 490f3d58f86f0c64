"""The drift of two models against plain transformers and numpy, and its identities."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from mi_core.analyses.drift import drift
from mi_core.errors import InputError
from mi_core.models import loading
from mi_core.text.sample import TEXTS
from tests.core.plain_reference import final_norm, plain
from tests.sentences import faults

FACT = "The capital of Texas is"
PROMPT = " the cat sat on the dog"


def cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (each - each.mean(0) for each in (x.astype(float), y.astype(float)))
    return (np.linalg.norm(y.T @ x) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def test_numbers_are_those_of_plain_transformers(mini):
    found = drift(mini, FACT, other_model="loupe-mini@2500", tokens=60)
    folders = [loading.locate(name) for name in ("loupe-mini", "loupe-mini@2500")]
    models = [AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval() for folder in folders]
    tokenizer = AutoTokenizer.from_pretrained(folders[0])
    begin, left, streams, guesses = [tokenizer.bos_token_id or tokenizer.eos_token_id], 60, ([], []), ([], [])
    for text in (FACT, *TEXTS):
        ids = tokenizer.encode(text, add_special_tokens=False)[: min(left, mini.n_ctx - 1)]
        left -= len(ids)
        for at, model in enumerate(models):
            read = plain(model, [*begin, *ids])
            resid = torch.stack(read.resid)[:, 1:]
            streams[at].append(resid)
            with torch.no_grad():
                guesses[at].append(model.lm_head(final_norm(model)(resid)).double().log_softmax(-1))
        if not left:
            break
    one, other = (torch.cat(parts, 1).numpy() for parts in streams)
    p, q = (torch.cat(parts, 1) for parts in guesses)
    assert found.n_tokens == one.shape[1] == 60
    np.testing.assert_allclose(found.cka_plain, [cka(*pair) for pair in zip(one, other, strict=True)], atol=1e-5)
    np.testing.assert_allclose(found.kl, ((p.exp() * (p - q)).sum(-1) / np.log(2)).mean(-1), rtol=1e-3, atol=1e-4)
    assert all(check.passed for check in found.checks) and not faults(found)


def test_a_model_has_not_drifted_from_itself(architecture, tiny_folder, tmp_path):
    model = loading.load(str(tiny_folder(architecture)))
    found = drift(model, PROMPT, other_model=model.id, tokens=40)
    np.testing.assert_allclose(found.cka, 1, atol=1e-9)
    np.testing.assert_allclose(found.cka_plain, 1, atol=1e-9)
    np.testing.assert_allclose(found.kl, 0, atol=1e-9)
    assert "hold the text alike at every layer" in found.reading().title and not faults(found)


def test_models_of_other_vocabularies_have_no_kl_and_other_depths_are_matched(mini, tiny_folder):
    found = drift(mini, PROMPT, other_model=str(tiny_folder("llama")), tokens=40)
    assert found.kl is None and found.tables()["layers"]["kl"].isna().all()
    assert found.other_layers[0] == 0 and len(found.layers) == mini.n_layers + 1
    assert found.other_layers[-1] == loading.load(str(tiny_folder("llama"))).n_layers
    assert "different vocabularies" in " ".join(found.reading().sentences) and not faults(found)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"tokens": 3}, "tokens"), ({"tokens": 10**6}, "tokens"), ({"other_model": "no-such-model"}, "model")],
)
def test_what_cannot_be_used_gets_a_sentence(mini, given, field):
    with pytest.raises(InputError) as error:
        drift(mini, FACT, **{"other_model": "loupe-mini@2500"} | given)
    assert error.value.field == field
