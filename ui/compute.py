"""Asking the engine from a page: wait without freezing it, and turn every failure into a sentence."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mi_core.errors import InputError
from mi_core.jobs.engine import Job, engine
from mi_core.jobs.request import Request
from mi_core.phrases import duration
from ui import slots
from ui.fields import edits
from ui.text import literal
from ui.tours import card

log = logging.getLogger("loupe")

QUIET_SECONDS = 0.3  # a result that comes sooner needs no message, which would only flicker
STOP_SECONDS = 1.0  # and one that comes before this no button to stop it
ASK_SECONDS = 8.0  # what is foretold to take longer asks before it runs
AGREED, STOPPED, WRITTEN = "_agreed", "_stopped", "_written"


@dataclass(frozen=True)
class Answer:
    """What was asked and what came back: all that showing and exporting a result needs."""

    request: Request
    result: Any


def compute(
    analysis: str,
    model: str = "",
    *,
    on_partial: Callable[[Any], None] | None = None,
    ask_first: bool = False,
    **settings: Any,
) -> Answer:
    """Run an analysis for this session and wait for it; on any failure say so and end the page's run.

    A run that the user's next input overtakes stops waiting at once, and the engine drops what nobody waits for. The
    same holds for the button that stops it, after which it waits for the user to start it again.

    Args:
        analysis: Name of the analysis.
        model: Model id; left out for an analysis that looks at no model.
        on_partial: Called with each partial result of a streaming analysis, for drawing it.
        ask_first: Tell beforehand what a long sweep will take, and run it only once the user agrees.
        **settings: The analysis' settings.
    """
    try:
        request = Request.of(analysis, model, **{"edits": edits.current() if model else ""} | settings)
        return asked(request, on_partial=on_partial, ask_first=ask_first)
    except InputError as error:
        fail(error)


def asked(request: Request, *, on_partial: Callable[[Any], None] | None = None, ask_first: bool = False) -> Answer:
    """The same for a request that is known already, and for those who do without one that cannot be used.

    Raises:
        InputError: The input cannot be used.
    """
    _unless_stopped(request, on_partial)
    if ask_first:
        _agreed(request)
    return _computed(request, on_partial)


def attempt(analysis: str, model: str, **settings: Any) -> Answer | None:
    """The same for what a page can do without: None where these settings cannot be used."""
    with suppress(InputError):
        return _computed(Request.of(analysis, model, **{"edits": edits.current()} | settings), None)
    return None


def answer(request: Request) -> Answer:
    """What a request gives that was made before, on another page or another day. Raises InputError."""
    return _computed(request, None)


def _computed(request: Request, on_partial: Callable[[Any], None] | None) -> Answer:
    """Wait for a result; a failure that is not the user's ends the page's run with a sentence."""
    job = engine().submit(request, session=_session())
    try:
        _wait(job, request.model, on_partial)
        found = Answer(request, job.result())
        card.hear(found)
        return found
    except InputError:
        raise
    except Exception as error:
        log.exception("%s on %s failed", request.analysis, request.model)
        st.error(literal(_sentence(error)))
        st.stop()
    finally:
        job.leave()


def fail(error: InputError) -> NoReturn:
    """Show a user's error beside its field and on the page, and end the page's run."""
    slots.report(error)
    st.info(literal(error.message), icon=":material/edit:")
    st.stop()


def _unless_stopped(request: Request, on_partial: Callable[[Any], None] | None) -> None:
    """End the page's run here if the user has stopped this very request, with what it had written so far."""
    stopped = st.session_state.get(STOPPED)
    if stopped is None or stopped.analysis != request.analysis:
        return
    if stopped != request:
        del st.session_state[STOPPED]
        return
    written = st.session_state.get(WRITTEN)
    if on_partial and written is not None:
        on_partial(written)
    _offer("Stopped before it was finished.", "Run again", request)


def _agreed(request: Request) -> None:
    """Go on if the request is short, known, or agreed to; else say what it will take and offer to run it."""
    if st.session_state.get(AGREED) == request or engine().cached(request) is not None:
        return
    if not request.model:  # a cost is that of runs of a model
        return
    settings = json.dumps(dict(request.settings))
    cost = compute("cost", request.model, of=request.analysis, settings=settings).result
    if cost.seconds > ASK_SECONDS:
        _offer(f"{cost.reading().title}.", "Run", request)


def _offer(message: str, label: str, request: Request) -> None:
    """A sentence and the button that starts the request; ends the page's run."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(literal(message), icon=":material/timer:")
        st.button(label, type="primary", key=f"run-{request.analysis}", on_click=_start, args=(request,))
    st.stop()


def _start(request: Request) -> None:
    st.session_state[AGREED] = request
    st.session_state.pop(STOPPED, None)


def _stop(request: Request) -> None:
    st.session_state[STOPPED] = request


def _wait(job: Job, model: str, on_partial: Callable[[Any], None] | None) -> None:
    if job.wait(QUIET_SECONDS):
        return
    began, place = time.monotonic(), st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        message, button = st.empty(), st.empty()
    st.session_state.pop(WRITTEN, None)
    offered = False
    while not job.wait(0.1):
        # Writing to the page is also what lets Streamlit end a run that newer input has overtaken.
        _say(message, job, model)
        if not offered and job.progress is not None and time.monotonic() - began > STOP_SECONDS:
            button.button("Stop", key=f"stop-{job.request.analysis}", on_click=_stop, args=(job.request,))
            offered = True
        partial = job.progress.partial if job.progress else None
        if on_partial and partial is not None and partial is not st.session_state.get(WRITTEN):
            st.session_state[WRITTEN] = partial
            on_partial(partial)
    place.empty()


def _say(place, job: Job, model: str) -> None:
    status, progress = engine().status(model), job.progress
    if status.state == "loading":
        place.progress(status.fraction or 0.0, text=literal(status.message))
    elif progress is not None and progress.message:
        share = progress.done / progress.total if progress.total else 0.0
        place.progress(min(share, 1.0), text=literal(progress.message))
    elif progress is None or not progress.total:
        place.caption("Computing …")
    else:
        left = f", about {duration(progress.seconds_left)} left" if progress.seconds_left else ""
        place.progress(progress.done / progress.total, text=f"{progress.done:,} of {progress.total:,}{left}")


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "This needs more memory than is free: shorten the prompt or choose a smaller model."
    return (
        f"This could not be computed ({type(error).__name__}). The server's log has the details; your prompt is kept."
    )


def _session() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else ""
