"""What AppTest leaves out of `st.selectbox`: a typed value that is not among the options."""

import pytest
from streamlit.testing.v1.element_tree import Selectbox


@pytest.fixture(autouse=True)
def typed_options(monkeypatch):
    """As in a browser, a typed value is sent back by its text; AppTest would raise because it is not listed."""
    listed = Selectbox.index.fget

    def index(box: Selectbox) -> int | None:
        if box.value is not None and box.options and (text := box.format_func(box.value)) not in box.options:
            box.options.append(text)
        return listed(box)

    monkeypatch.setattr(Selectbox, "index", property(index))
