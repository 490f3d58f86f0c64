"""What is going on in this prompt, as far as the other analyses can tell, and what of it holds?"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.analyses import ablation, circuit, patching
from mi_core.analyses._index import bound
from mi_core.analyses._investigation.finding import EVIDENCE, Finding
from mi_core.analyses._investigation.inquiry import Inquiry
from mi_core.analyses._investigation.steps import STEPS
from mi_core.errors import InputError
from mi_core.interventions import cost as sweep_cost
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, percent, place, quoted
from mi_core.result import Check, Reading, same_length, within

PARTS = 100  # that each step counts in the progress


@dataclass(frozen=True)
class Investigate:
    """Findings in the order of the steps, each with its number, its check, its control and where to look."""

    model: str
    tokens: Tokens
    target: Target
    pos: int
    """The position whose next token is asked for."""
    probability: float
    """Of the answer."""
    corrupted: str
    """The prompt that yours was compared with; "" where there was none."""
    findings: tuple[Finding, ...]
    heads: tuple[str, ...]
    """[head] Names; none before they were knocked out, one at a time."""
    foretold: Float[np.ndarray, " head"]
    """[head] By how much the answer would move without it, from what it writes, in logits; NaN where unknown."""
    change: Float[np.ndarray, " head"]
    """[head] By how much it does, in logits."""
    steps_done: int
    """Of all `STEPS`: less than all while it goes on."""
    checks: tuple[Check, ...]
    units: str = "see the column “unit”; logits (foretold, change)"
    column_units: ClassVar = {"heads": {"change": "logits"}}

    def __post_init__(self) -> None:
        same_length(self, "heads", "foretold", "change")
        within(self, 0.0, 1.0, "probability")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`findings`: a row each. `heads`: what each seems to do, and what is lost without it."""
        heads = {"component": self.heads, "foretold": self.foretold, "change": self.change}
        return {
            "findings": pd.DataFrame([_row(number, each) for number, each in enumerate(self.findings, 1)]),
            "heads": pd.DataFrame(heads),
        }

    def reading(self) -> Reading:
        """What the model says, and how much of what was found was proved, only seen, or did not hold."""
        title = f"{quoted(self.target.text)} after {place(self.tokens, self.pos)}: {percent(self.probability)}"
        count = Counter(each.evidence for each in self.findings)
        said = [
            f"{count[name]} {words}"
            for name, words in (
                ("measured", "measured by changing something"),
                ("correlated", "only seen, with nothing changed"),
                ("contradicted", "that did not hold"),
                ("missing", "that could not be asked"),
            )
            if count[name]
        ]
        about = f"{len(self.findings)} findings: {listed(said)}." if said else ""
        broken = [check.name for check in self.checks if not check.passed]
        trust = f"Not to be trusted, as a check failed: {listed(broken)}." if broken else ""
        return Reading(title, tuple(filter(None, (about, trust))))


def investigate(
    model: Model,
    prompt: str,
    *,
    corrupted: str = "",
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Investigate:
    """Ask a prompt everything: lens, attribution, heads, features, patching, ablation and a circuit, with controls.

    Each finding says what it rests on. What was only seen is a guess; what was measured moved the answer when something
    was changed; and where a guess did not survive the measurement, that is a finding too. The steps are the other
    analyses with their usual settings: their pages show the numbers behind each sentence, and take other settings.

    Args:
        model: The model.
        prompt: The prompt.
        corrupted: A second prompt that differs in what decides, of as many tokens; empty to have one proposed.
        target: The answer; None for the top guess.
        foil: What it is compared with, where a step compares; None for what that step compares with by itself.
        pos: Position whose next token is asked for; None for the last.
        prepend_bos: None follows the model's own habit.
        progress: Called with (parts done, parts in all, the investigation so far).

    Returns:
        Findings with their numbers, units, checks and controls.

    Raises:
        InputError: A bad prompt, target, position. What a single step refuses is a finding that says why.
    """
    asked = Inquiry(model, prompt, target, foil, pos, prepend_bos, corrupted)
    findings: list[Finding] = []
    found, whole = _result(asked, findings, 0), len(STEPS) * PARTS

    def told(done: int, total: int, _: Any = None) -> None:
        progress(found.steps_done * PARTS + PARTS * done // max(total, 1), whole, found)

    asked.told = told
    for name, step in STEPS.items():
        told(0, 1)
        try:
            findings.extend(step.findings(asked))
        except InputError as error:
            findings.append(Finding(name, "missing", error.message))
        found = _result(asked, findings, found.steps_done + 1)
    progress(whole, whole, found)
    return found


def planned(model: Model, **settings: Any) -> tuple[int, float, int]:
    """Runs of one prompt that the long steps would make, all settings given; seconds and bytes of the whole.

    Raises:
        InputError: As `investigate` does.
    """
    asked = Inquiry(
        model, *(settings[name] for name in ("prompt", "target", "foil", "pos", "prepend_bos", "corrupted"))
    )
    began = time.perf_counter()
    given = {"prompt": asked.prompt, **asked.asking}
    costs = [sweep_cost.foretell(model, *ablation.planned(model, **bound("ablation", given)))]
    found = [(costs[0].runs, costs[0].seconds, costs[0].bytes)]
    try:
        pair = given | {"corrupted": asked.corrupted}
        swept = sweep_cost.foretell(model, *patching.planned(model, **bound("patching", pair)))
        found += [(swept.runs, swept.seconds, swept.bytes), circuit.planned(model, **bound("circuit", pair))]
    except InputError:  # without a second prompt these steps are not made
        pass
    once = time.perf_counter() - began  # what finding the second prompt takes is asked for again
    runs, seconds, size = zip(*found, strict=True)
    return sum(runs), once + sum(seconds), max(size)


def _result(asked: Inquiry, findings: list[Finding], steps_done: int) -> Investigate:
    said = asked.predict
    answer = said.tables()["answer"].iloc[0]
    checks = sorted({check for each in findings for check in each.checks}, key=lambda check: check.name)
    known = vars(asked)  # what was computed already
    used = asked.given or ("" if "counterpart" not in known else asked.counterpart.swaps[0].prompt)
    heads = asked.ablation if "ablation" in known else None
    return Investigate(
        model=asked.model.id,
        tokens=said.tokens,
        target=said.target,
        pos=said.pos,
        probability=float(answer["probability"]),
        corrupted=used,
        findings=tuple(findings),
        heads=heads.components if heads else (),
        foretold=0.0 - heads.direct if heads else np.empty(0),
        change=heads.change if heads else np.empty(0),
        steps_done=steps_done,
        checks=tuple(checks),
    )


def _row(number: int, each: Finding) -> dict[str, Any]:
    check = each.check
    return {
        "finding": number,
        "step": each.step,
        "question": STEPS[each.step].question,
        "evidence": each.evidence,
        "meaning": EVIDENCE[each.evidence],
        "sentence": each.sentence,
        "number": each.number,
        "unit": each.unit,
        "control": each.control,
        "check": check.name if check else "",
        "check_error": check.error if check else float("nan"),
        "check_tolerance": check.tolerance if check else float("nan"),
        "page": each.page,
        "link": urlencode(each.fields),
    }
