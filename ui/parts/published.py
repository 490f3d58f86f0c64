"""What others found on GPT-2 small, beside the story it belongs to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ui.parts.presets import PRESETS
from ui.text import literal


@dataclass(frozen=True)
class Finding:
    """Published numbers or roles of GPT-2 small's heads.

    `preset` is the title of the story and `pages` the pages they are shown on; `values` are rows of `head`, `role`
    and, where it was measured, `value`, whose quantity and unit `column` names; `setting` says how they came about.
    """

    preset: str
    pages: tuple[str, ...]
    what: str
    column: str
    setting: str
    source: str
    values: tuple[dict[str, Any], ...]

    def table(self) -> pd.DataFrame:
        """A row per head, or group of heads of one role."""
        frame = pd.DataFrame(self.values)
        return frame.rename(columns={"value": self.column}) if "value" in frame else frame


def _load() -> tuple[Finding, ...]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return tuple(
            Finding(**row | {"pages": tuple(row["pages"]), "values": tuple(row["values"])})
            for row in tomllib.load(file)["finding"]
        )


FINDINGS = _load()


def for_prompt(page: str, prompt: str) -> list[Finding]:
    """What is published about the story that `prompt` tells, for the page of that name."""
    stories = {preset.title for preset in PRESETS if preset.prompt == prompt}
    return [finding for finding in FINDINGS if finding.preset in stories and page in finding.pages]


def show_published(page: str, prompt: str) -> None:
    """An expander with what to expect on GPT-2 small; nothing where nothing is known about this prompt.

    Args:
        page: ``"patching"``, ``"path_patching"``, ``"ablation"``.
        prompt: The prompt on the page.
    """
    findings = for_prompt(page, prompt)
    if not findings:
        return
    with st.expander("Expected on GPT-2 small"):
        st.caption("Published for another, larger model: choose GPT-2 small in the sidebar to compare like with like.")
        for finding in findings:
            st.markdown(f"**{literal(finding.what)}**")
            st.table(finding.table().style.hide(axis="index").format(precision=3))
            st.caption(literal(f"{finding.setting} Source: {finding.source}."))
