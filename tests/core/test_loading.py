"""Opening models: equal to Hugging Face to the last digits, and a sentence for everything that cannot be opened."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mi_core.errors import InputError
from mi_core.models import forecast, hooks, loading

# Opening --------------------------------------------------------------------------------------------------------


def test_equals_hugging_face(architecture, tiny_model, hf_model):
    model = tiny_model(architecture)
    tokens = model.tokens(" the cat sat on")
    acts = model.run(tokens, model.resid_names(), logits="all")
    reference = hf_model(architecture)(torch.tensor([tokens.ids]), output_hidden_states=True)
    torch.testing.assert_close(acts.logits, reference.logits[0], atol=1e-5, rtol=0)
    for layer in range(model.n_layers):
        torch.testing.assert_close(acts[hooks.resid_pre(layer)], reference.hidden_states[layer][0], atol=1e-5, rtol=0)


def test_built_in_model_equals_hugging_face(mini, hf_model):
    tokens = mini.tokens("The capital of Texas is")
    logits = mini.run(tokens, logits="all").logits
    torch.testing.assert_close(logits, hf_model("loupe-mini")(torch.tensor([tokens.ids])).logits[0], atol=1e-4, rtol=0)
    assert mini.text(int(logits[-1].argmax())) == " Austin"


def test_tiny_models_are_not_trivial(architecture, tiny_model):
    """Flat softmaxes would let wrong maths pass."""
    model = tiny_model(architecture)
    tokens = model.tokens(" the cat sat on the dog")
    acts = model.run(tokens, [hooks.pattern(1)], logits="all")
    assert acts[hooks.pattern(1)][:, -1].amax() > 2 / len(tokens)
    assert acts.logits[-1].softmax(-1).max() > 3 / model.d_vocab


def test_weights_in_parts_and_half_precision(tiny_folder, tiny_model, tmp_path):
    """Sharded bfloat16 weights open as 32-bit floats of the same rounding."""
    import transformers

    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder("llama"), dtype=torch.bfloat16)
    plain.save_pretrained(tmp_path, max_shard_size="30KB")
    for file in tiny_folder("llama").glob("tokenizer*"):
        shutil.copy(file, tmp_path)
    assert len(forecast.weights(tmp_path)) > 1
    model = loading.load(str(tmp_path))
    assert model.unembedding_direction(5).dtype == torch.float32
    torch.testing.assert_close(
        model.unembedding_direction(5), tiny_model("llama").unembedding_direction(5).bfloat16().float()
    )


def test_nothing_is_fetched_for_a_folder(tiny_folder, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("a folder must open without any network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert loading.load(str(tiny_folder("gpt2"))).n_layers == 3


def test_device(monkeypatch, caplog):
    monkeypatch.delenv("LOUPE_DEVICE")
    assert loading.device() == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setenv("LOUPE_DEVICE", "abacus")
    with pytest.raises(InputError, match="LOUPE_DEVICE is “abacus”, which this machine does not have: set it to cpu"):
        loading.device()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("LOUPE_DEVICE", "mps")
    assert loading.device() == "mps"
    assert "wrong signs" in caplog.text


# Fingerprint ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_fingerprint_follows_every_file_that_decides_numbers(copy, name):
    before = loading.fingerprint(copy)
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    assert loading.fingerprint(copy) != before


def test_fingerprint_is_of_contents_not_places(copy, tiny_folder):
    (copy / "README.md").write_text("notes")
    assert loading.fingerprint(copy) == loading.fingerprint(tiny_folder("gpt2"))


# Refusals -------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tiny_folder, tmp_path) -> Path:
    """A tiny model's folder to break."""
    return Path(shutil.copytree(tiny_folder("gpt2"), tmp_path / "copy"))


def edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def without_config(folder):
    (folder / "config.json").unlink()


def with_torn_config(folder):
    (folder / "config.json").write_text('{"model_type": "gp')


def with_config_that_is_no_object(folder):
    (folder / "config.json").write_text("[1]")


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def with_pickle_only(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def with_torn_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def with_empty_weights(folder):
    (folder / "model.safetensors").write_bytes(b"")


def with_noise_for_weights(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 4096)


def with_a_tensor_missing(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_another_shape(folder):
    edit_config(folder, n_embd=64)


def with_missing_part(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def with_bad_index(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": [1]}')


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def of_bert(folder):
    edit_config(folder, architectures=["BertForMaskedLM"], model_type="bert")


def of_bert_that_decodes(folder):
    edit_config(folder, architectures=["BertLMHeadModel"], model_type="bert")


def of_pictures(folder):
    edit_config(folder, architectures=["LlavaForConditionalGeneration"], model_type="llava")


def of_own_code(folder):
    edit_config(folder, architectures=["MyForCausalLM"], model_type="mine", auto_map={"AutoConfig": "mine.Config"})
    (folder / "mine.py").write_text("raise SystemExit('this code must never run')")


def quantised(folder):
    edit_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_config, "has no config.json: choose a folder that transformers' save_pretrained wrote"),
        (with_torn_config, "config.json is damaged or was not copied completely: fetch the model again"),
        (with_config_that_is_no_object, "config.json is damaged"),
        (without_weights, "The folder has no weights: it needs model.safetensors"),
        (with_pickle_only, "only as pickle files .* which can run code when opened: convert them"),
        (with_torn_weights, "model.safetensors is damaged or was not copied completely: fetch the model again"),
        (with_empty_weights, "model.safetensors is damaged"),
        (with_noise_for_weights, "model.safetensors is damaged"),
        (with_a_tensor_missing, "1 tensors are missing, such as transformer.h.1.mlp.c_fc.weight"),
        (with_another_shape, "is 96 in the file and 192 by the configuration"),
        (with_missing_part, "incomplete: model-00001-of-00002.safetensors is missing beside model.safetensors.index"),
        (with_bad_index, "model.safetensors.index.json is damaged"),
        (without_tokenizer, r"has no tokenizer: save one .* with tokenizer.save_pretrained\(folder\)"),
        (of_bert, "is a BertForMaskedLM, which Loupe cannot look into: choose a model that writes text from left to"),
        (of_bert_that_decodes, "is a BertLMHeadModel, which Loupe cannot look into"),
        (of_pictures, "is a LlavaForConditionalGeneration, which Loupe cannot look into"),
        (of_own_code, "is a MyForCausalLM, which Loupe cannot look into"),
        (quantised, "is stored quantised, which Loupe cannot look into: choose the original weights"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_folder_that_cannot_be_opened(copy, damage, sentence):
    damage(copy)
    with pytest.raises(InputError, match=sentence) as caught:
        loading.load(str(copy))
    assert caught.value.field == "model"
    assert "\n" not in caught.value.message


def test_too_little_memory(copy, monkeypatch):
    monkeypatch.setattr(forecast.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100_000}))
    with pytest.raises(InputError, match="needs about 2.. kB of memory and 100 kB is free: close other programs, or"):
        loading.load(str(copy))


@pytest.mark.parametrize("model_id", ["loupe-mni", "GPT2-Small", "", "a" * 5000, "two words", "name@place"])
def test_unknown_id(model_id):
    with pytest.raises(InputError, match="There is no model .*gpt2-small.* any Hugging Face id .owner/name., or a"):
        loading.load(model_id)


@pytest.mark.parametrize("path", ["/no/such/folder", "./nowhere", "a/b/c", "~/no/such/folder"])
def test_missing_folder(path):
    with pytest.raises(InputError, match=f"There is no folder {path}: check the spelling"):
        loading.load(path)


@pytest.mark.parametrize("path", ["/\0", "~nobody-of-this-name/x", "/" + "a" * 5000])
def test_what_cannot_be_a_folder(path):
    with pytest.raises(InputError, match="check the spelling"):
        loading.load(path)


# What an operator allows ----------------------------------------------------------------------------------------


def test_only_allowed_folders(copy, tmp_path, monkeypatch):
    """A forbidden path sounds the same whether it exists or not, also through a link or dots."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(allowed))
    (allowed / "link").symlink_to(copy)
    forbidden = [copy, copy.parent / "absent", allowed / "link", allowed / ".." / "copy", allowed / ".." / "absent"]
    said = set()
    for path in forbidden:
        with pytest.raises(InputError, match="opens model folders only where its operator allows it") as caught:
            loading.load(str(path))
        said.add(caught.value.message)
    assert len(said) == 1
    shutil.copytree(copy, allowed / "mine")
    assert loading.locate(str(allowed / "mine")) == allowed / "mine"
    assert loading.locate("loupe-mini").is_dir()


def test_nothing_allowed(copy, monkeypatch):
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", "")
    assert loading.allowed_folders() == ()
    with pytest.raises(InputError, match="only where its operator allows it"):
        loading.load(str(copy))


def test_a_relative_folder_that_looks_like_a_hub_id(copy, monkeypatch):
    monkeypatch.chdir(copy.parent.parent)
    name = f"{copy.parent.name}/{copy.name}"
    assert loading.locate(name) == copy
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", "")
    with pytest.raises(InputError, match="is not on this machine and downloads are switched off"):
        loading.locate(name)  # now it is a hub id, and says nothing of the folder
