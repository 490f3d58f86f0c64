"""Parts that Streamlit has no widget for: each a Python function and the HTML, CSS and JavaScript beside it."""
