"""Whether a request that came from elsewhere can be computed here."""

from __future__ import annotations

from mi_core.analyses._index import files_among
from mi_core.jobs.request import Request
from mi_core.models.loading import is_here
from mi_core.text.corpus import is_kept


def obstacle(request: Request) -> str:
    """Why a request is not computed, in a sentence; "" where it can be.

    What came with a report or from a browser fetches no model, and reads no file but those that were brought to Loupe.
    """
    if request.model and not is_here(request.model):
        return f"The model {request.model} is not on this computer."
    paths = [dict(request.settings).get(name) for name in files_among(request.analysis)]
    if any(path and not is_kept(str(path)) for path in paths):
        return "It is about a file of texts that is not here."
    return ""
