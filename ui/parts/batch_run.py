"""A batch on its way: what it will take, how far it is, what could not be used; started, stopped and gone on with."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from mi_core.errors import InputError, shortened
from mi_core.jobs.engine import engine
from mi_core.jobs.request import Request
from mi_core.models.tokens import readable
from mi_core.phrases import duration
from mi_core.sharing import background
from mi_core.sharing.background import BackgroundRun
from mi_core.sharing.kept_batch import KeptBatch
from ui import address, words
from ui.compute import Answer, asked, fail
from ui.text import literal
from ui.text import table as markdown_table

LOOKED_AT = 20  # prompts at most that are tried beforehand
MEASURED_SECONDS = 1.0  # of computing that tell the pace
EVERY = 1.0  # seconds between two looks at how far it is
MOST_FAILURES = 50  # that are listed
_PACE = "_batch_pace"


def trial(requests: Sequence[Request | InputError]) -> Answer:
    """The first prompt that can be used, computed; on the way the pace of this batch is measured.

    Ends the page's run with a sentence where none of the first can be used.
    """
    known: Answer | None = None
    error: InputError | None = None
    seconds: list[float] = []
    for request in requests[:LOOKED_AT]:
        if known is not None and (_pace(known.request) is not None or sum(seconds) > MEASURED_SECONDS):
            break
        try:
            if isinstance(request, InputError):
                raise request
            is_new = engine().status(request.model).state == "ready" and engine().cached(request) is None
            began = time.monotonic()
            answer = asked(request, ask_first=_sweeps(request.analysis))
            seconds += [time.monotonic() - began] if is_new else []
            known = known or answer
        except InputError as found:
            error = error or found
    if known is None:
        fail(error or InputError("There are no prompts: add one.", "prompts"))
    if _pace(known.request) is None:
        st.session_state[_PACE] = (known.request, sum(seconds) / len(seconds) if seconds else 0.0)
    return known


def table_field(tried: Answer) -> str:
    """Which table of each result is kept, by a field where there are several."""
    names = list(tried.result.tables())
    named = words.Options("table", tuple(words.Word(name, name.replace("_", " ")) for name in names))
    return address.choose(
        named, st.selectbox, "Table", width=220,
        help="Each prompt's result has several tables; a batch puts one of them together, for all prompts.",
    )  # fmt: skip


def _pace(request: Request) -> float | None:
    """Seconds of a prompt, measured for the batch that begins with this one."""
    of, seconds = st.session_state.get(_PACE, (None, 0.0))
    return seconds if of == request else None


def _sweeps(analysis: str) -> bool:
    from mi_core.analyses.cost import SWEEPS  # torch, which is there once a model is asked for

    return analysis in SWEEPS


def controls(kept: KeptBatch, tried: Answer) -> bool:
    """What there is to do: start it, stop it, go on with it; whether it is being computed now."""
    run = background.last_run(kept)
    if run is not None and run.is_alive:
        _watch(run)
        return True
    if run is not None and run.error:
        st.error(literal(run.error))
    done, failed = kept.done(), len(kept.failures())
    if done + failed < kept.total:
        _offer(kept, tried, done)
    elif failed:
        st.warning(f"{done:,} of {kept.total:,} prompts are done; {failed:,} could not be used.")
    return False


def _offer(kept: KeptBatch, tried: Answer, done: int) -> None:
    """What it will take, and the button that starts it."""
    left = kept.total - done
    seconds = (_pace(tried.request) or 0.0) * left
    result, request = tried.result, tried.request
    size = sum(len(file.block(request, 0, result, first=True)) for file in kept.batch.files) * kept.total / 1e6
    about = duration(seconds) if seconds < 1 else f"about {duration(seconds)}"
    said = f"{left:,} prompt{' takes' if left == 1 else 's take'} {about} and {_megabytes(size)} on disk."
    if done:
        said = f"{done:,} of {kept.total:,} prompts are done; the others take {about}."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(literal(said), icon=":material/timer:")
        label = "Go on" if done else "Start"
        st.button(label, type="primary", key="batch-start", on_click=_start, args=(kept,))


def _start(kept: KeptBatch) -> None:
    background.start(kept)


def _megabytes(size: float) -> str:
    return "less than 0.1 MB" if size < 0.1 else f"about {size:,.1f} MB" if size < 10 else f"about {size:,.0f} MB"


def _watch(run: BackgroundRun) -> None:
    @st.fragment(run_every=EVERY)
    def progress() -> None:
        if not run.is_alive:
            st.rerun()
        total, dealt = run.kept.total, run.done + run.failed
        left = f", about {duration(run.seconds_left)} left" if run.seconds_left else ""
        wrong = f"; {run.failed:,} could not be used" if run.failed else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(dealt / total, text=f"{dealt:,} of {total:,} prompts{left}{wrong}")
            st.button("Cancel", key="batch-cancel", on_click=_cancel, args=(run,), help="What is done is kept.")
        st.caption("It goes on while you look at other pages, and stays if this page is closed.")

    progress()


def _cancel(run: BackgroundRun) -> None:
    run.cancel()
    run.join(5)


def failures(kept: KeptBatch) -> None:
    """The rows that could not be used, each with its sentence."""
    if not (failed := kept.failures()):
        return
    with st.expander(f"{len(failed):,} prompt{'' if len(failed) == 1 else 's'} could not be used"):
        rows = [(str(row), _prompt(kept, row), said) for row, said in failed[:MOST_FAILURES]]
        st.markdown(markdown_table(("row", "prompt", "what is wrong"), rows))
        if (more := len(failed) - MOST_FAILURES) > 0:
            st.caption(f"And {more:,} more.")
        st.button("Try these again", key="batch-again", on_click=_start, args=(kept,))


def _prompt(kept: KeptBatch, row: int) -> str:
    return shortened(readable(kept.prompt(row)), 60)
