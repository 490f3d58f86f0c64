"""What will an analysis that runs the model many times take?"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from mi_core.analyses import (
    ablation,
    attribution_graph,
    circuit,
    edit,
    input_attribution,
    investigate,
    max_activating,
    patching,
    path_patching,
    placebo,
    probing,
)
from mi_core.analyses._index import bound
from mi_core.errors import InputError
from mi_core.interventions import cost as sweep_cost
from mi_core.interventions.restart import Run
from mi_core.models.model import Model
from mi_core.phrases import duration, listed
from mi_core.result import Check, Reading, within

#: The analyses that sweep, and what each would run: (token ids, runs), from all of its settings.
SWEEPS: Mapping[str, Callable[..., tuple[Sequence[int], Sequence[Run]]]] = {
    "ablation": ablation.planned,
    "patching": patching.planned,
    "path_patching": path_patching.planned,
    "input_attribution": input_attribution.planned,
    "placebo": placebo.planned,
}
#: Those that read many texts, and what each would take: (texts read, seconds, bytes), from all of its settings.
LEARNERS: Mapping[str, Callable[..., tuple[int, float, int]]] = {
    "probing": probing.planned,
    "max_activating": max_activating.planned,
}
#: Those that run parts of the model, and what each would take: (runs, seconds, bytes), from all of its settings.
SEARCHES: Mapping[str, Callable[..., tuple[int, float, int]]] = {
    "circuit": circuit.planned,
    "attribution_graph": attribution_graph.planned,
    "investigate": investigate.planned,
    "edit": edit.planned,
}
#: What a sentence calls an analysis whose name it cannot use.
CALLED = {
    "max_activating": "search",
    "circuit": "search for a circuit",
    "investigate": "investigation",
    "placebo": "comparison with chance",
}
#: What a search runs, where that is no changed model.
RUN = {
    "circuit": "circuits",
    "attribution_graph": "passes back through the model",
}


@dataclass(frozen=True)
class Cost:
    """What an analysis will take on this machine, as busy as it is now."""

    model: str
    analysis: str
    """The one that is foretold."""
    runs: int
    """Runs of the model that it will make."""
    seconds: float
    megabytes: float
    """10⁶ bytes, beside the weights."""
    checks: tuple[Check, ...] = ()
    units: str = "seconds; megabytes"
    #: A time holds for this machine and this hour: it is not kept on disk.
    lasting: ClassVar[bool] = False

    def __post_init__(self) -> None:
        within(self, 0.0, math.inf, "runs", "seconds", "megabytes")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`cost`: one row."""
        row = {"analysis": self.analysis, "runs": self.runs, "seconds": self.seconds, "megabytes": self.megabytes}
        return {"cost": pd.DataFrame([row])}

    def reading(self) -> Reading:
        """How long and how much memory, in words."""
        name = CALLED.get(self.analysis, self.analysis.replace("_", " "))
        takes = "takes at most about" if self.analysis == "edit" else "takes about"
        title = f"This {name} {takes} {duration(self.seconds)} and {self.megabytes:,.0f} MB of memory"
        if self.analysis in LEARNERS:
            then = ", and fits probes to them" if self.analysis == "probing" else ""
            return Reading(title, (f"It reads {self.runs:,} texts{then}.",))
        if self.analysis in SEARCHES:
            if self.analysis == "edit":
                return Reading(
                    title, ("It writes texts, looks for a new value step by step, and tries it on prompts.",)
                )
            what = RUN.get(self.analysis, "changed models")
            return Reading(title, (f"It runs {self.runs:,} {what}, each on one prompt.",))
        return Reading(title, (f"It runs the model {self.runs:,} times, starting in the middle where that is exact.",))


def cost(model: Model, *, of: str, settings: str = "{}") -> Cost:
    """Foretell a sweep from a small part of it, run twice.

    Args:
        model: The model.
        of: An analysis that sweeps or reads many texts: ``"ablation"``, ``"patching"``, ``"probing"`` …
        settings: Its settings, as a JSON object.

    Returns:
        Runs, seconds, megabytes; within a factor of two where the machine stays as busy as it is.

    Raises:
        InputError: The analysis does not sweep, the settings are no JSON object, or the analysis refuses them.
    """
    timed = {**LEARNERS, **SEARCHES}
    if of not in {**SWEEPS, **timed}:
        raise InputError(f"“{of[:40]}” is not foretold: choose one of {listed([*SWEEPS, *timed])}.", "of")
    try:
        given = dict(json.loads(settings))
    except (ValueError, TypeError) as error:
        raise InputError('The settings must be a JSON object, such as {"prompt": "Hello"}.', "settings") from error
    filled = bound(of, given)
    if of in timed:
        runs, seconds, size = timed[of](model, **filled)
        return Cost(model.id, of, runs, seconds, size / 1e6)
    began = time.perf_counter()
    ids, rows = SWEEPS[of](model, **filled)
    preparing = time.perf_counter() - began
    whole = sweep_cost.foretell(model, ids, rows)
    return Cost(model.id, of, whole.runs, preparing + whole.seconds, whole.bytes / 1e6)
