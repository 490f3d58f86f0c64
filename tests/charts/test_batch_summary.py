"""The chart of a batch: a bar for each of few prompts, else how many there are of each size."""

import numpy as np
import pandas as pd
import pytest

from charts.batch_summary import MOST_BARS, batch_summary
from mi_core.result import Check
from mi_core.sharing.batch_summary import BatchSummary


def summary(n: int, each: str = "max") -> BatchSummary:
    values = np.linspace(-1.0, 2.0, n)
    prompts = tuple(f"<b>prompt</b>\n{at}" for at in range(n))
    return BatchSummary("logit", "logits", each, np.arange(n), values, prompts, 0, (Check("all hold", 0.0, 0.0),))


@pytest.mark.parametrize("n", [1, MOST_BARS, MOST_BARS + 1, 500])
def test_it_is_a_valid_chart_of_all_values(n):
    chart = batch_summary(summary(n))
    spec = chart.to_dict()  # which validates it
    frame = chart.layer[0].data if isinstance(chart.layer[0].data, pd.DataFrame) else chart.data
    title = " ".join(spec["title"]["text"])
    if n <= MOST_BARS:
        assert frame["logit"].tolist() == summary(n).values.tolist() and "in the order of the list" in title
        assert frame["_label"][0] == "0 <b>prompt</b>↵0" and f"{n} values" in spec["description"]
    else:
        assert frame["prompts"].sum() == n and "how many prompts" in title
        assert (frame["from_logit"] < frame["to_logit"]).all()


def test_lines_are_counted_as_lines():
    assert "lines" in batch_summary(summary(50, "line")).to_dict()["description"]


def test_its_title_can_be_the_finding():
    found = summary(5)
    title = found.reading().title
    assert title == "The largest logit of each prompt: median 0.5 logits, from −1 logits to 2 logits"
    assert " ".join(batch_summary(found, title=title).to_dict()["title"]["text"]) == title
