"""Computing apart from scheduling: one request on its model, wherever that is.

This knows no queue, cache or session. A process on another machine that holds the model needs nothing else: the
request and the result are plain values, and `progress` is the only way back.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mi_core.analyses._index import find_analysis, parameters
from mi_core.jobs.request import Request

if TYPE_CHECKING:
    from mi_core.models.model import Model
    from mi_core.result import Result


def compute(request: Request, model: Model | None, progress: Callable[..., None] | None = None) -> Result:
    """The result of a request.

    Args:
        request: What to compute; `request.check()` holds.
        model: The model it names, without its edits; None where it names none.
        progress: Called between the chunks of a long analysis with (done, total, partial result or None); what it
            raises ends the computation. It may itself compute in the same thread.

    Raises:
        Absent: Something has to be fetched first: call its `fetch`, then compute again.
        InputError: The input cannot be used.
    """
    analysis = find_analysis(request.analysis)
    given = {"progress": progress} if progress is not None and is_long(request) else {}
    with _as_at_the_start():
        if model is None:
            return analysis(**request.bound(), **given)
        if request.edits:
            from mi_core.editing.overlay import for_all

            model = for_all(model, request.edits, progress)
        return analysis(model, **request.bound(), **given)


def is_long(request: Request) -> bool:
    """Whether the analysis reports progress, and so can give way between chunks. Imports nothing."""
    return "progress" in parameters(request.analysis)


@contextlib.contextmanager
def _as_at_the_start() -> Iterator[None]:
    """With gradients: a sweep that gave way in this thread may have switched them off."""
    if "torch" not in sys.modules:  # so nobody has
        yield
        return
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        yield
