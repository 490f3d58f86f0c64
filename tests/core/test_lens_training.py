"""Training lenses: against torch's own loop and transformer_lens' own fit; stopped and resumed; bad files."""

from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file

from mi_core.analyses import lens_training as module
from mi_core.analyses.lens_training import lens_training
from mi_core.analyses.tuned_lens import tuned_lens
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.lenses import files
from mi_core.lenses.jacobian import JacobianFit
from mi_core.lenses.streams import token_rows
from mi_core.models.loading import load
from mi_core.text.corpus import read_texts
from tests.core.plain_reference import final_norm, plain, unembed

SENTENCES = "The capital of Texas is Austin. Mary gave a drink to John. I liked the film. One day a cat sat on a mat.\n"


@pytest.fixture
def model(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / "cache"))
    return load(str(copytree(tiny_folder("llama"), tmp_path / "llama")))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number} {SENTENCES}" for number in range(40)), "utf-8")
    return str(path)


def test_one_step_is_that_of_plain_torch(model, text, hf_model):
    lens_training(model, text, steps=1)
    state = load_file(files.trained(model.fingerprint, "tuned"))
    rows = token_rows(model, read_texts(Path(text)), module.MOST_ROWS)
    batch, hf = [row for index, row in enumerate(rows.tolist()) if index % module.HELD_OUT][:4], hf_model("llama")
    x = torch.cat([plain(hf, row).resid[1][1:] for row in batch])
    last = torch.cat([plain(hf, row).resid[-1][1:] for row in batch])
    maps = torch.nn.Linear(model.d_model, model.d_model)
    torch.nn.init.zeros_(maps.weight), torch.nn.init.zeros_(maps.bias)
    output = unembed(hf, final_norm(hf)(last)).log_softmax(-1).detach()
    lens = unembed(hf, final_norm(hf)(x + maps(x))).log_softmax(-1)
    torch.nn.functional.kl_div(lens, output, log_target=True, reduction="batchmean").backward()
    torch.optim.Adam(maps.parameters(), lr=1e-3).step()
    sure = maps.weight.grad.abs() > 1e-6  # the first step of Adam is a sign
    assert sure.float().mean() > 0.9
    torch.testing.assert_close(state["layers.1.weight"][sure], maps.weight.detach()[sure], atol=1e-5, rtol=0)


def test_it_comes_nearer_to_the_output_than_the_logit_lens(model, text):
    found = lens_training(model, text, steps=60)
    assert (found.lens_kl < found.logit_kl).all() and found.checks[0].passed
    assert f"at {model.n_layers} of {model.n_layers} layers" in found.reading().title
    assert "was trained here" in tuned_lens(model, " the cat").reading().sentences[-1]


def test_the_jacobian_is_that_of_transformer_lens(model, text, tmp_path):
    from transformer_lens.tools.analysis.jacobian_lens import JacobianLens

    from mi_core.lenses import jacobian

    lens_training(model, text, kind="jacobian", texts=2)
    state = load_file(files.trained(model.fingerprint, "jacobian"))
    rows = token_rows(model, read_texts(Path(text)), module.MOST_ROWS)[1:3]
    texts = [model.tokenizer.decode(row[1:]) for row in rows.tolist()]
    assert [list(model.tokens(each).ids) for each in texts] == rows.tolist()  # it is given texts
    theirs = JacobianLens.fit(
        model.bridge, texts, corpus="x", skip_first_positions=jacobian.FIRST_POS, show_progress=False
    )
    for layer in theirs.source_layers:
        torch.testing.assert_close(state[f"layers.{layer + 1}.weight"], theirs.jacobians[layer], atol=1e-4, rtol=1e-3)


class Stopped(Exception):
    """Somebody pressed Stop."""


@pytest.mark.parametrize(("kind", "settings", "stop_at"), [("tuned", {"steps": 25}, 12), ("jacobian", {"texts": 3}, 5)])
def test_what_was_stopped_goes_on_to_the_same_lens(model, text, kind, settings, stop_at, monkeypatch):
    monkeypatch.setattr(module, "KEEP_EVERY", 1)
    lens_training(model, text, kind=kind, **settings)
    path, seen = files.trained(model.fingerprint, kind), []
    whole = load_file(path)
    path.unlink()

    def stop(done, total, partial=None):
        if done == stop_at:
            raise Stopped

    with pytest.raises(Stopped):
        lens_training(model, text, kind=kind, **settings, progress=stop)
    assert not path.exists()
    lens_training(model, text, kind=kind, **settings, progress=lambda done, total, partial=None: seen.append(done))
    assert min(seen) > 1
    again = load_file(path)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_what_the_file_holds_is_part_of_the_key(text):
    request = Request.of("lens_training", "loupe-mini", file=text)
    before = request.key("x")
    with open(text, "a", encoding="utf-8") as file:
        file.write("More.")
    assert request.key("x") != before


@pytest.mark.parametrize(
    ("settings", "field", "said"),
    [({"steps": 0}, "steps", "from 1 to"), ({"texts": 0}, "texts", "from 1 to"), ({"kind": "other"}, "kind", "lens")],
)
def test_bad_settings_get_a_sentence(model, text, settings, field, said):
    with pytest.raises(InputError, match=said) as caught:
        lens_training(model, text, **settings)
    assert caught.value.field == field


def test_a_file_that_is_too_short_gets_a_sentence(model, tmp_path):
    (tmp_path / "short.txt").write_text("Hello there.")
    with pytest.raises(InputError, match="tokens, and a lens needs at least"):
        lens_training(model, str(tmp_path / "short.txt"))


def test_a_model_with_one_layer_has_nothing_to_fit(model):
    fit = JacobianFit(model, model.rows([[0] * 12]))
    assert fit.passes == -(-model.d_model // 16) and set(fit.lens()) == {f"layers.{i}.weight" for i in (1, 2)}
