"""A result asked for again: the engine's own object, against the pickled copy that `st.cache_data` makes."""

from __future__ import annotations

import pickle

import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, faster, in_turns
from mi_core.jobs.engine import Engine
from mi_core.jobs.request import Request

REPETITIONS = 25
TENSOR_MB = 60


def measure() -> list[Row]:
    """Once with the 60 MB of tensors that a cached `run_with_cache` holds, once with the very same result."""
    engine = Engine(load=lambda model_id, progress: gpt2_size.opened())
    try:
        request = Request.of("logit_lens", "gpt2-size", prompt=gpt2_size.prompt(64), top_k=10)
        result = engine.run(request)
        activations = pickle.dumps([torch.zeros(10**6 // 4) for _ in range(TENSOR_MB)], protocol=5)
        pickled = pickle.dumps(result)
        ways = {
            "activations": lambda: pickle.loads(activations),
            "result": lambda: pickle.loads(pickled),
            "loupe": lambda: engine.run(request),
        }
        seconds = in_turns(ways, REPETITIONS)
    finally:
        engine.close()
    return [
        faster(f"result asked for again: {TENSOR_MB} MB of activations", seconds["activations"], seconds["loupe"], 100),
        faster(
            f"result asked for again: the result itself ({len(pickled) / 1e6:.1f} MB)",
            seconds["result"],
            seconds["loupe"],
        ),
    ]
