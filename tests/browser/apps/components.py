"""Both components on one page, with what they report written below."""

import numpy as np
import streamlit as st

from ui.components.attention_grid import attention_grid, pictures
from ui.components.token_chips import token_chips

st.set_page_config(layout="wide")
n = int(st.query_params.get("tokens", 9))
heads, layers = int(st.query_params.get("heads", 12)), int(st.query_params.get("layers", 4))
words = ["<|endoftext|>", "The", "·Eiffel", "·Tower", "<b>bold</b>", "·" + "long" * 20, "·city", "↵", "·東京"]
texts = [words[i % len(words)] for i in range(n)]
state = st.session_state
state.setdefault("pos", n - 1)
state.setdefault("head", (1, 3))
state["runs"] = state.get("runs", 0) + 1

chips = [
    {
        "text": text,
        "pos": i,
        "begins": i % 9 != 4,
        "special": i == 0,
        "value": (i % 5) / 4 if i % 2 else None,
        "tooltip": f"token {i}",
    }
    for i, text in enumerate(texts)
]
pos = token_chips(chips, selected=state["pos"], key="chips", on_pick=lambda pos: state.update(pos=pos))
scores = np.random.default_rng(0).normal(0, 2, (layers, heads, min(n, 64), min(n, 64)))
weights = np.exp(scores) * np.tril(np.ones(scores.shape[-2:]))
pattern = weights / weights.sum(-1, keepdims=True)
head = attention_grid(
    pictures(pattern, texts[:64]), selected=state["head"], key="grid", on_pick=lambda *head: state.update(head=head)
)
st.text(f"picked position {pos}, held {state['pos']}")
st.text(f"picked head {head}, held {state['head']}")
st.text(f"run {state['runs']}")
