"""Which checkpoints of a training are looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st

from mi_core.errors import InputError
from mi_core.models import checkpoints
from ui import address, slots, words
from ui.compute import fail


def cursor(steps: Sequence[int], usual: int) -> int:
    """The step that every picture of the page marks or shows; `usual` until one is chosen."""
    chosen = address.choose(
        _options(words.STEP, steps), st.select_slider, "Checkpoint (step of training)", usual=str(usual),
        help="A moment of the training. Click into a picture to choose another one; the arrow keys move it too.",
    )  # fmt: skip
    return int(chosen)


def compared(steps: Sequence[int], cursor: int) -> int:
    """Another step to compare with: the first one, or the last where that is the cursor."""
    others = [step for step in steps if step != cursor]
    chosen = address.choose(
        _options(words.OTHER_STEP, others), st.selectbox, "Compared with step", usual=str(others[0]), width=200,
        help="What is there at one moment and not at the other was learned, or lost, in between.",
    )  # fmt: skip
    return int(chosen)


def pick(key: str) -> Callable[[], None]:
    """What a chart of steps calls when a place in it is clicked: its step becomes the cursor."""

    def choose() -> None:
        picked = st.session_state[key].selection
        for point in [*picked.get("step", []), *picked.get("cell", [])]:
            st.session_state[words.STEP.key] = str(int(point["step"]))

    return choose


def fetched(model: str) -> tuple[int, ...]:
    """The steps to look at, where they can be fetched; none for all that are on this machine."""
    if not checkpoints.on_the_hub(model):
        return ()
    typed = st.text_input(
        "Steps of training", key="fetched", bind="query-params", width=360, placeholder="all that are on this machine",
        help="Separated by commas, such as 0, 1000, 143000. What is not on this machine is downloaded. Pythia's models "
        "have steps 0, 1, 2, 4 and so on to 512, and then every 1000 to 143000.",
    )  # fmt: skip
    slots.place("steps", "fetched")
    parts = [part for part in re.split(r"[,;\s]+", typed.strip()) if part]
    if not all(part.isdecimal() for part in parts):
        fail(InputError("Steps are whole numbers, separated by commas, such as 0, 1000, 143000.", "steps"))
    return tuple(int(part) for part in parts)


def _options(field: words.Hook, steps: Sequence[int]) -> words.Options:
    return words.Options(field.key, tuple(words.Word(str(step), f"{step:,}") for step in steps))
