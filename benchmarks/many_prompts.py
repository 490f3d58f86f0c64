"""Two hundred different prompts through the engine: resident memory must not grow beyond what the cache may hold."""

from __future__ import annotations

from benchmarks import memory
from benchmarks.timing import Row, bounded
from mi_core.jobs.engine import Engine
from mi_core.jobs.request import Request

WARM, ALL = 50, 200
RESULT_BYTES = 4 * 2**20  # a small cache, full after the warm-up, so that whatever still grows is a leak
GROWTH_MB = 8


def measure() -> list[Row]:
    """Growth between the 50th and the 200th prompt of about 40 tokens on the built-in model."""
    if not memory.is_measurable():
        return []
    growth = growth_bytes() / memory.MB
    return [bounded(f"{ALL} prompts on loupe-mini: growth after the first {WARM}", growth, GROWTH_MB, "MB")]


def growth_bytes() -> int:
    """Resident memory after `ALL` prompts less that after `WARM`."""
    engine = Engine(result_bytes=RESULT_BYTES)
    try:
        _ask(engine, 0, WARM)
        before = memory.resident_bytes()
        _ask(engine, WARM, ALL)
        return memory.resident_bytes() - before
    finally:
        engine.close()


def _ask(engine: Engine, start: int, end: int) -> None:
    for number in range(start, end):
        prompt = f"Number {number}: " + "the capital of Texas is Austin and " * 5
        engine.run(Request.of("logit_lens", "loupe-mini", prompt=prompt, top_k=10))
        engine.run(Request.of("attribution", "loupe-mini", prompt=prompt))
