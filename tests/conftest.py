"""Models for the tests: the built-in one, and tiny random ones of five architectures, made once per run."""

import os
import tempfile

# Before any import that reads them: no test may touch the network or a person's own cache.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LOUPE_CACHE"] = tempfile.mkdtemp(prefix="loupe-tests-")
os.environ["LOUPE_DEVICE"] = "cpu"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.pop("LOUPE_MODEL_FOLDERS", None)

import functools
import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import config as shape_checks
from jaxtyping import install_import_hook

from tests.shapes import arrays

# Before anything imports mi_core. What mi_core imports is imported before: within the hook, Python looks for compiled
# code under another name, finds none, and compiles thousands of files of these packages anew.
for package in ("pandas", "sklearn.linear_model", "transformer_lens"):
    importlib.import_module(package)
install_import_hook("mi_core", f"{arrays.__module__}.{arrays.__name__}")

# No example has a deadline, and none is made too slowly.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

ARCHITECTURES = ("gpt2", "neox", "llama", "gemma2", "qwen3")
WORDS = (" the", " cat", " dog", " sat", " on")  # the words that are one token for every tiny model
N_VOCAB = 300
N_CTX = 64


def pytest_collection_modifyitems(config, items) -> None:
    """The matrix of architectures runs only where it is asked for."""
    if "matrix" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("matrix")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter) -> None:
    """A run of all of it writes what it found into docs/models.md; workers' reports come together here."""
    passed = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", [])]
    if rows := [json.loads(found["matrix"]) for found in passed if "matrix" in found]:
        from tests import models_page

        models_page.write(rows)


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["LOUPE_CACHE"], ignore_errors=True)


@pytest.fixture
def unchecked_shapes():
    """No check of shapes meanwhile: for tests of what a result refuses by itself, as it does outside the tests."""
    shape_checks.update("jaxtyping_disable", True)
    yield
    shape_checks.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def mini():
    """The built-in model, open."""
    from mi_core.models.loading import load

    return load("loupe-mini")


def _param(name: str):
    """Quick tests see the three architectures that differ most: biases, parallel blocks, norms after each part."""
    return pytest.param(name, marks=() if name in ("gpt2", "neox", "gemma2") else pytest.mark.slow)


@pytest.fixture(scope="session", params=map(_param, ARCHITECTURES))
def architecture(request) -> str:
    """Every tiny architecture in turn: `tiny_model(architecture)`."""
    return request.param


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Callable[[str], Path]:
    """tiny_folder(name): a Hugging Face folder of that architecture with three layers and random weights."""

    @functools.cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp("tiny") / name
        _random_model(name).save_pretrained(folder)
        _tokenizer().save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_model(tiny_folder):
    """tiny_model(name): the tiny model of that architecture, open as a `mi_core.models.model.Model`."""
    from mi_core.models.loading import load

    return functools.cache(lambda name: load(str(tiny_folder(name))))


@pytest.fixture(scope="session")
def hf_model(tiny_folder):
    """hf_model(name): the plain transformers model behind "loupe-mini" or a tiny architecture, for references."""
    import torch
    import transformers

    from mi_core.models import catalogue

    @functools.cache
    def read(name: str):
        folder = catalogue.find("loupe-mini").folder if name == "loupe-mini" else tiny_folder(name)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32
        )
        return model.eval().requires_grad_(False)

    return read


def _random_model(name: str):
    """Weights large enough that attention and predictions are far from uniform, and norms and biases not trivial."""
    import torch
    import transformers

    torch.manual_seed(ARCHITECTURES.index(name))
    model = transformers.AutoModelForCausalLM.from_config(_config(name))
    for parameter_name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.data.normal_(0.1 if "bias" in parameter_name else 0.8, 0.1)
        else:
            parameter.data.mul_(15)
    return model


def _config(name: str):
    import transformers

    shared = {"vocab_size": N_VOCAB, "bos_token_id": 0, "eos_token_id": 0}
    if name == "gpt2":
        return transformers.GPT2Config(n_positions=N_CTX, n_embd=32, n_layer=3, n_head=4, **shared)
    shared |= {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": N_CTX,
    }
    if name == "neox":
        return transformers.GPTNeoXConfig(**shared)
    shared["num_key_value_heads"] = 2
    if name == "llama":
        return transformers.LlamaConfig(**shared)
    shared["head_dim"] = 8
    if name == "gemma2":
        # the row of the padding token is zero, so it must not be one that a test reads
        return transformers.Gemma2Config(pad_token_id=N_VOCAB - 1, query_pre_attn_scalar=8, sliding_window=16, **shared)
    return transformers.Qwen3Config(**shared)


def _tokenizer():
    """Byte-level pieces, a beginning-of-sequence token, and `WORDS`."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {"<|endoftext|>": 0}
    for char in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[char] = len(vocabulary)
    merges = []
    for word in WORDS:
        word = word.replace(" ", "Ġ")
        for end in range(1, len(word)):
            if (pair := (word[:end], word[end])) not in merges:
                merges.append(pair)
                vocabulary[word[: end + 1]] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )
