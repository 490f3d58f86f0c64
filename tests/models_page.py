"""docs/models.md, written from what a run of the whole matrix found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import transformers
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

from tests.architectures import CAUSAL, MODELS

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
PART = " (in part)"
ROW = "matrix"  # the property under which each test of the matrix reports what it found

#: Model types that TransformerLens' list reaches too, and why they are not among those that are tried.
ELSEWHERE = {
    "bert": "reads both ways",
    **dict.fromkeys(["gemma3", "gemma3n", "gemma4", "gemma4_unified"], "sees images: save its language part alone"),
    **dict.fromkeys(["llama4", "qwen3_5", "qwen3_5_moe"], "holds a language part and others: save that part alone"),
    "gpt-sw3": "is saved as `gpt2`",
    **dict.fromkeys(["internlm3", "iquestcoder"], "runs the code of `llama`"),
}

#: What is asked for, by a word of the question's settings that tells it; then by its analysis.
THINGS = {
    "input_attribution": "words",
    "attribution {": "attribution",
    "weighted": "attention weighed by what is moved",
    "attention {": "attention",
    "'at'": "runs up to an earlier position",
    "neuron": "neurons",
    "N1": "neurons",
    "rome": "editing facts",
    "orthogonalise": "taking a direction out of the weights",
    "resid_mid": "half-layers",
    "pattern": "changed patterns",
    "'q'": "queries, keys and values",
    "'k'": "queries, keys and values",
    "'v'": "queries, keys and values",
    "H1": "heads",
    "head": "heads",
    "estimate": "estimated patches",
    "path_patching": "path patching",
    "logit_lens": "logit lens",
    "lens": "trained lenses",
    "feature": "SAE features",
    "ablated_text": "text without a part",
    "steering_sweep": "steering",
    "push_that_shows": "steering",
    "patched_run": "patching",
    "bigram_of_model": "bigrams",
    "max_activating": "texts",
    "cost": "",
}
#: Answers of a tiny random model that say nothing of its architecture.
OF_THE_WEIGHTS = ("No change at the subject", "The model answers", "Feature 1 never fires")

HEAD = """# Will my model work?

Look for the `model_type` that its `config.json` names: of Pythia it is `gpt_neox`, of Yi `llama`.

Every architecture that TransformerLens lists and transformers builds without a repository's own code was tried: {n}
tiny random models, each opened, compared with plain transformers, and asked everything that Loupe can do. Whatever is
absent is refused with its reason, never shown wrong. Any model that you open is compared anew, and the line under its
name says what was left out.

Written by `python3 loupe.py test -m matrix`, not by hand.
"""


def thing(analysis: str, settings: dict) -> str:
    """What a question is about, in a few words."""
    asked = f"{analysis} {settings}"
    return next((words for sign, words in THINGS.items() if sign in asked), analysis)


def write(rows: list[dict]) -> None:
    """The page, where every model of the matrix is among the rows; nothing otherwise."""
    if {row["name"] for row in rows} == set(MODELS):
        PAGE.write_text(page(sorted(rows, key=lambda row: row["name"])), encoding="utf-8")


def page(rows: list[dict]) -> str:
    """The whole text."""
    opened = [row for row in rows if "refused" not in row]
    whole = [_name(row) for row in opened if not _absent(row)]
    parts = [
        HEAD.format(n=len(rows)),
        "## All of it works\n\n" + ", ".join(whole) + ".\n",
        "## Works, but for\n\n" + _table(("model type", "absent"), _together(_lacking(row) for row in opened)),
        "Why it is absent:\n\n" + _table(("why", "what", "where"), _reasons(opened)),
        "## Does not open\n\n"
        + _table(("model type", "why"), _together((_name(row), _plainly(row)) for row in rows if "refused" in row)),
        "## On TransformerLens' list, but nothing for Loupe\n\n" + _table(("what", "why"), _others()),
    ]
    return "\n".join(parts)


def _absent(row: dict) -> dict[str, str]:
    """Why, by what is absent; “in part” where some of it is there."""
    asked, missing = defaultdict(int), defaultdict(list)
    for what, reason in row["refusals"]:
        asked[what] += 1
        if reason and not reason.startswith(OF_THE_WEIGHTS):
            missing[what].append(_neutral(reason, row["name"]))
    return {
        what + ("" if len(reasons) == asked[what] else PART): reasons[0] for what, reasons in missing.items() if what
    }


def _neutral(reason: str, name: str) -> str:
    """A reason that does not name the model, without what to do about it."""
    model_type = MODELS[name][0]
    said = re.sub(rf"\b{re.escape(model_type)}\b", "the model", reason, flags=re.IGNORECASE)
    said = re.split(r": (?:choose|knock|patch|run|shorten|switch)| Choose", said)[0]
    said = re.sub(r" by [\d.]+% of the largest", "", said).rstrip(".")
    return said[0].upper() + said[1:]


def _plainly(row: dict) -> str:
    return _neutral(row["refused"], row["name"]) + "."


def _name(row: dict) -> str:
    model_type, _, difference = row["name"].partition(", ")
    return f"`{model_type}`" + (f" ({difference})" if difference else "")


def _lacking(row: dict) -> tuple[str, str]:
    return _name(row), ", ".join(_absent(row))


def _together(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """A line for all names of which the same is said; names of which nothing is said are left out."""
    groups = defaultdict(list)
    for name, said in pairs:
        groups[said].append(name)
    return [(", ".join(names), said) for said, names in groups.items() if said]


def _reasons(rows: list[dict]) -> list[tuple[str, ...]]:
    """A line for each reason: what it keeps from working, and in which models."""
    what, where = defaultdict(dict), defaultdict(dict)
    for row in rows:
        for thing_absent, reason in _absent(row).items():
            what[reason][thing_absent.removesuffix(PART)] = where[reason][_name(row)] = None
    return [(f"{reason}.", ", ".join(what[reason]), ", ".join(where[reason])) for reason in sorted(what)]


def _others() -> list[tuple[str, str]]:
    """What the list holds beside the matrix."""
    names = sorted(set(SUPPORTED_ARCHITECTURES) - set(CAUSAL.values()))
    own_code = [name for name in names if not hasattr(transformers, name)]
    other = [name for name in names if hasattr(transformers, name)]
    return [
        *_together((f"`{kind}`", f"{reason[0].upper()}{reason[1:]}.") for kind, reason in ELSEWHERE.items()),
        (_listed(other), "They translate, or read images or sound: Loupe reads models that write text left to right."),
        (_listed(own_code), "Their code is not in transformers, and Loupe runs no code that comes with a model."),
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    rule = ("---",) * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *lines))
