"""Engines that load a tiny model, and analyses that stop where a test wants them to."""

from __future__ import annotations

import sys
import threading
import types

import numpy as np
import pytest
import torch

from mi_core.analyses import _index
from mi_core.jobs.engine import Engine
from tests.core.engine.bench import PATIENCE, Answer, opened


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory):
    """A GPT-2 of 2 layers with random weights and a byte tokenizer."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=257, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    network = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in network.parameters():
        parameter.data.mul_(4)
    vocabulary = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(vocabulary)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder = tmp_path_factory.mktemp("gpt2")
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(gpt2_folder):
    return opened(gpt2_folder, "tiny")


@pytest.fixture
def start(tiny):
    """Makes engines that load `tiny`, and closes them."""
    engines = []

    def make(load=lambda model_id, progress: tiny, **settings):
        engines.append(Engine(load=load, **settings))
        return engines[-1]

    yield make
    for made in engines:
        made.close()


@pytest.fixture
def analysis(monkeypatch):
    """Makes a function an analysis, as if it were a file in `mi_core/analyses`."""
    names = list(_index.analysis_names())
    monkeypatch.setattr(_index, "analysis_names", lambda: tuple(names))

    def add(function):
        names.append(function.__name__)
        module = types.SimpleNamespace(**{function.__name__: function})
        monkeypatch.setitem(sys.modules, f"mi_core.analyses.{function.__name__}", module)
        return function

    return add


@pytest.fixture
def gate(analysis):
    """A short analysis that says when it began, and ends when it is allowed to."""
    gate = types.SimpleNamespace(entered=threading.Semaphore(0), open=threading.Event(), order=[])

    @analysis
    def held(model, prompt: str) -> Answer:
        gate.entered.release()
        assert gate.open.wait(PATIENCE)
        return Answer(model.id, prompt, np.zeros(1))

    @analysis
    def quick(model, prompt: str) -> Answer:
        gate.order.append(prompt)
        return Answer(model.id, prompt, np.ones(3))

    yield gate
    gate.open.set()


@pytest.fixture
def sweep(analysis):
    """A long analysis whose every chunk waits to be allowed."""
    sweep = types.SimpleNamespace(chunk=threading.Semaphore(0), at=threading.Semaphore(0), done=[], order=[])

    @analysis
    def slow(model, prompt: str, *, steps: int = 4, progress=lambda done, total, partial=None: None) -> Answer:
        partial = np.zeros(steps)
        for step in range(steps):
            sweep.at.release()
            assert sweep.chunk.acquire(timeout=PATIENCE)
            sweep.order.append(f"{prompt} {step}")
            partial[step] = 1
            sweep.done.append(step)
            with torch.no_grad():
                progress(step + 1, steps, partial)
        return Answer(model.id, prompt, partial)

    yield sweep
    sweep.chunk.release(1000)
