"""The built-in model, as the page sees it: seconds from asking to the logit lens of a new prompt, and of a seen one."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.timing import Row, bounded
from mi_core.jobs.engine import Engine
from mi_core.jobs.request import Request

REPETITIONS = 20
CITIES = ("Paris", "Rome", "Austin", "Berlin", "Madrid", "Oslo", "Lima", "Cairo", "Tokyo", "Denver")


def measure() -> list[Row]:
    """Medians over prompts of 10 to 60 tokens, the engine's queue and threads included."""
    engine = Engine()
    try:
        engine.run(_asking(0))  # opens the model
        new = [_seconds(engine, _asking(seed)) for seed in range(1, REPETITIONS + 1)]
        seen = [_seconds(engine, _asking(seed)) for seed in range(1, REPETITIONS + 1)]
    finally:
        engine.close()
    return [
        bounded("loupe-mini, new prompt: asking to result, median", statistics.median(new), 0.5, "s"),
        bounded("loupe-mini, new prompt: asking to result, slowest", max(new), 0.5, "s"),
        bounded("loupe-mini, prompt seen before: asking to result", statistics.median(seen) * 1e3, 10, "ms"),
    ]


def _asking(seed: int) -> Request:
    words = random.Random(seed).choices(CITIES, k=5 + seed % 20)
    return Request.of("logit_lens", "loupe-mini", prompt=f"The way from {' to '.join(words)}")


def _seconds(engine: Engine, request: Request) -> float:
    began = time.perf_counter()
    engine.run(request)
    return time.perf_counter() - began
