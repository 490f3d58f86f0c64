"""What a deck is: steps of a tour as pins. A file ``<tour>.toml`` here says how each is computed and drawn."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mi_core.jobs.request import Request
from mi_core.models import catalogue
from mi_core.sharing.pin import Pin
from ui.tours.plan import TOURS, Step, Tour


@dataclass(frozen=True)
class Deck:
    """The slides of a tour, in its order; what the tour explains is what the speaker says."""

    tour: Tour
    pins: tuple[Pin, ...]


def _read(path: Path) -> Deck:
    tour = TOURS[path.stem]
    with path.open("rb") as file:
        slides = tomllib.load(file)["slide"]
    return Deck(tour, tuple(_pin(tour.steps[slide.pop("step") - 1], **slide) for slide in slides))


def _pin(
    step: Step, *, analysis: str, settings: Mapping[str, Any], figure: str, table: str, how: str,
    view: Mapping[str, Any] | None = None,
) -> Pin:  # fmt: skip
    return Pin(
        request=Request.of(analysis, catalogue.DEFAULT, **settings),
        table=table,
        figure=figure,
        view=tuple(sorted((view or {}).items())),
        page=step.url,
        query=address(step),
        how=how,
        note=re.sub(r"\*([^*]+)\*", r"\1", step.say),
    )


def address(step: Step) -> str:
    """The query of the page that a step shows, by the words of its address."""
    given = {"prompt": step.prompt, "target": step.target, "foil": step.foil, **step.fields}
    said = {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items() if value != ""
    }
    return urlencode(said, doseq=True)


_PATHS = sorted(Path(__file__).parent.glob("*.toml"), key=lambda path: TOURS[path.stem].order)
DECKS = {path.stem: _read(path) for path in _PATHS}
