"""The IOI page's parts: roles beside what is published, and one head by itself."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from charts import theme
from mi_core.heads.name_roles import ROLES, Reference, compared
from ui import show
from ui.compute import Answer
from ui.proof import prove_it
from ui.text import literal

NAMES = {
    "logit_diff": "mean logit difference",
    "previous_token": "previous token",
    "duplicate_token": "duplicate token",
    "induction": "induction",
    "s_inhibition": "S-inhibition",
    "name_mover": "name mover",
    "negative_name_mover": "negative name mover",
    "speaker": "other speaker",
    "backup": "backup",
}
HOW_KNOWN = (
    "What is known of a head stands beside what was measured here. A number is within if it lies in the range beside "
    "it; a role is found if the head has it by the marks of this page. There is a verdict only where something is "
    "known of this very model; what was published of GPT-2 small stands there for comparison."
)


def roles(answer: Answer) -> None:
    """Every role in words, who has it here, and who has it in GPT-2 small."""
    found = show.tables(answer)["roles"].set_index("role")
    rows = [
        [
            NAMES[role.name],
            role.does,
            str(found.at[role.name, "heads"]) or "nobody",
            str(found.at[role.name, "published_of_gpt2_small"]) or "not listed",
        ]
        for role in ROLES
    ]
    st.subheader("Who does what", anchor=False)
    _table(["role", "a head that …", "here", "GPT-2 small, published"], rows, "Roles, and who has them")


def known(answer: Answer) -> None:
    """What is known of heads, number by number, beside what was found."""
    rows = show.tables(answer)["known"]
    st.subheader("Beside what is known", anchor=False)
    for about in compared(answer.result.model):
        found = rows[rows["of"] == about.title].itertuples(index=False)
        own = [dict(zip(rows.columns, row, strict=True)) for row in found]
        if about.is_about(answer.result.model):
            heading = ["what", "known (counts as alike)", "measured here", "verdict"]
            _table(heading, [_judged(row) for row in own], "What is known of this model, and what was measured")
            st.caption(literal(f"{about.title}. {_source(about)}"))
        else:
            with st.expander(f"Published of {about.title}, which is another model"):
                _table(["what", "published"], [[_name(row), _exact(row)] for row in own], f"Published of {about.title}")
                st.caption(literal(_source(about)))
    show.footer(answer, key="known", how=HOW_KNOWN, table="known")


def _table(heading: list[str], rows: list[list[str]], alt: str) -> None:
    show.rows(pd.DataFrame(rows, columns=heading), dict.fromkeys(heading, ""), alt=alt)


def _source(about: Reference) -> str:
    return f"Source: {about.source}. Numbers are logits: direct effects of heads, and the logit difference."


def _judged(row: dict[str, Any]) -> list[str]:
    """Something known as a row of the table: what is measured of a role without a number is its attention."""
    if pd.isna(row["known"]):
        here = "no such head" if pd.isna(row["attention"]) else f"{row['attention']:.0%} of its attention"
        return [_name(row), _exact(row), here, row["verdict"]]
    known = f"{_exact(row)} ({_logits(row['low'])} to {_logits(row['high'])})"
    return [_name(row), known, _logits(row["value"]) or "no such head", row["verdict"]]


def _name(row: dict[str, Any]) -> str:
    return NAMES[row["role"]] if pd.isna(row["layer"]) else f"L{row['layer']}H{row['head']}, {NAMES[row['role']]}"


def _exact(row: dict[str, Any]) -> str:
    return "has this role" if pd.isna(row["known"]) else f"{row['known']:+.3f}".rstrip("0").replace("-", "−")


def _logits(value: float) -> str:
    return theme.written(pd.Series([value]), "direct")[0]


def prompts(answer: Answer) -> None:
    """All prompts, and those that the means are taken over."""
    asked = show.tables(answer)["prompts"]
    with st.expander(f"The {len(asked)} prompts"):
        show.rows(asked, {"prompt": "", "order": "", "io": "", "s": "", "logit_diff": "+.2f", "logit_diff_out": "+.2f"},
                  alt="Prompts")  # fmt: skip
        others = show.tables(answer)["others"]
        st.caption(
            "A head that is knocked out passes on its mean over these, in which nobody comes again: "
            + literal(" · ".join(others["prompt"].head(4)))
            + f" · and {max(len(others) - 4, 0)} more (table “others” of the exports)."
        )


def head(answer: Answer, layer: int, number: int) -> None:
    """Links from one head to the pages that look at it further, on the first prompt."""
    name, asked = f"L{layer}H{number}", answer.result.prompts[0]
    mate = answer.result.prompts[1]
    target, foil = (text.strip() for text in (asked.target.text, asked.target.foil_text))
    st.markdown(f"**{literal(name)}** on the first prompt:")
    prompt = {"prompt": asked.text, "target": target, "foil": foil}
    prove_it("pages/look/attention.py", f"see where {name} looks", layer=layer, head=number, **prompt)
    prove_it(
        "pages/intervene/ablation.py", f"knock out {name} alone", site="head", layer=layer, head=number, **prompt
    )  # fmt: skip
    if layer:  # no head comes before those of layer 0
        prove_it(
            "pages/intervene/path_patching.py", f"see which earlier heads {name} hears", receiver=name,
            corrupted=mate.text, **prompt,
        )  # fmt: skip
