"""What is taken away: pictures of every head's pattern, 144 heads over 64 tokens, and a report of twenty results.

Results are computed beforehand; the time is that of drawing and writing. There is no usual way to either: a
matplotlib figure of 144 panels is drawn for comparison, without names, caption or scale.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, duration
from charts import figures
from charts.export import image
from charts.ready import ready, with_rows
from charts.report.html import page
from mi_core.analyses.attention import Attention, attention
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.jobs.request import Request
from mi_core.models.loading import load
from mi_core.sharing import report
from mi_core.sharing.caption import caption
from mi_core.sharing.pin import Pin

TOKENS, RESULTS = 64, 20
STORY = "When Mary and John went to the store, John gave a drink to"
FORMS = ("png", "svg", "pdf")


def measure() -> list[Row]:
    """Seconds for a file of each kind, the size of the report, and what its numbers alone would be."""
    return [*_pictures(), *_report()]


def _pictures() -> list[Row]:
    prompt = gpt2_size.prompt(TOKENS)
    result = attention(gpt2_size.opened(), prompt, prepend_bos=False)
    about = caption(Request.of("attention", "gpt2-size", prompt=prompt), result)
    spec = ready(figures.attention_heads(result))
    image(spec, "png", about)  # the fonts are read the first time
    usual = {"png": duration(_seconds(lambda: panels(result)))}
    task = f"{len(result.layers) * result.weight.shape[1]} heads over {TOKENS} tokens as"
    return [
        bounded(
            f"{task} {form.upper()}", _seconds(lambda form=form: image(spec, form, about)), 5, "s", usual.get(form, "")
        )
        for form in FORMS
    ]


def _report() -> list[Row]:
    mini = load("loupe-mini")
    made = []
    for number in range(RESULTS):
        prompt = f"{number} {STORY}"
        analysis, table, figure = (
            (predict, "positions", figures.surprise) if number % 2 else (logit_lens, "target", figures.logit_lens)
        )
        made.append((prompt, analysis.__name__, table, figure, analysis(mini, prompt)))

    def write() -> str:
        return page(report.document("Twenty results", [_entry(*each) for each in made]))

    size = len(write().encode()) / 1e6  # Vega's own code is read the first time
    return [
        bounded(f"a report of {RESULTS} results, written", _seconds(write), 2, "s"),
        bounded(f"a report of {RESULTS} results, its file", size, 4, "MB"),
    ]


def _entry(prompt: str, analysis: str, table: str, figure: Any, result: Any) -> dict[str, Any]:
    pin = Pin(Request.of(analysis, "loupe-mini", prompt=prompt), table, figure.__name__, page=analysis)
    return report.entry(pin, report.made(pin, result, with_rows(ready(figure(result)))))


def panels(result: Attention) -> bytes:
    """The usual way: `imshow` in a grid of axes, at the size that the picture has."""
    from matplotlib.figure import Figure

    n_layers, n_heads = result.weight.shape[:2]
    figure = Figure(figsize=(n_heads, n_layers), dpi=192)
    for number, axes in enumerate(np.ravel(figure.subplots(n_layers, n_heads))):
        axes.imshow(result.weight[number // n_heads, number % n_heads])
        axes.set_axis_off()
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
