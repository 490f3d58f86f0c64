"""A finding: one sentence, the number behind it, what checks it, what it is compared with, and where to look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mi_core.result import Check, Result

#: How far a finding may be believed, by its name in tables.
EVIDENCE = {
    "observed": "what the model says",
    "correlated": "only correlated: nothing was changed",
    "measured": "measured: something was changed, and the answer moved",
    "contradicted": "did not hold",
    "missing": "could not be asked",
}


@dataclass(frozen=True)
class Finding:
    """What one analysis lets one say of the prompt."""

    step: str
    """Name of the step, one of `mi_core.analyses._investigation.steps.STEPS`."""
    evidence: str
    """One of `EVIDENCE`."""
    sentence: str
    number: float = float("nan")
    """What the sentence rests on; NaN where nothing was found."""
    unit: str = ""
    control: str = ""
    """What it is compared with, in a sentence; empty where there is nothing."""
    checks: tuple[Check, ...] = ()
    """Of the analysis that found it."""
    page: str = ""
    """Name of the page that shows it."""
    fields: dict[str, Any] = field(default_factory=dict)
    """That page's fields, by the keys of its address."""

    @property
    def check(self) -> Check | None:
        """The check with the largest error, one that failed before all; None where there is none."""
        return max(self.checks, key=lambda check: (not check.passed, check.error), default=None)


def finding(result: Result, step: str, evidence: str, number: float, unit: str, **more: Any) -> Finding:
    """A finding that says what a result's own title says."""
    said = {"sentence": f"{result.reading().title}.", "checks": result.checks} | more
    return Finding(step, evidence, number=float(number), unit=unit, **said)
