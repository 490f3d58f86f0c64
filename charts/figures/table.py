"""A result's tables as charts show them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mi_core.models.tokens import with_visible_tokens


def table(result: Any, name: str) -> pd.DataFrame:
    """A table of the result with whitespace in tokens made visible."""
    return with_visible_tokens(result.tables()[name])
