"""A chart as the browser and the picture maker take it: a Vega-Lite specification with its data as Arrow."""

from __future__ import annotations

import hashlib
import math
import threading
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa

# Altair's choice of what becomes of data is one for all threads.
_lock = threading.Lock()


def ready(chart: alt.LayerChart) -> dict[str, Any]:
    """`chart` as a specification without configuration, and its frames in ``datasets``, as bytes of Arrow streams."""
    datasets: dict[str, bytes] = {}
    with _lock, alt.data_transformers.enable("arrow", datasets=datasets):
        spec = chart.to_dict(validate=False)
    spec.pop("config", None)
    return spec | {"datasets": datasets}


def with_rows(spec: dict[str, Any]) -> dict[str, Any]:
    """The same specification with rows of plain values for its data; as it is where it has them."""
    held = spec["datasets"].items()
    return spec | {"datasets": {name: _rows(data) if isinstance(data, bytes) else data for name, data in held}}


def _hold(frame: pd.DataFrame, datasets: dict[str, bytes]) -> dict[str, str]:
    """Keep a frame as bytes, named by its content, so that the same chart is always the same specification."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    data = sink.getvalue().to_pybytes()
    name = hashlib.sha256(data).hexdigest()[:32]
    datasets[name] = data
    return {"name": name}


alt.data_transformers.register("arrow", _hold)


def _rows(data: bytes) -> list[dict[str, Any]]:
    """Rows for JSON, which knows no infinity."""
    with pa.ipc.open_stream(data) as stream:
        rows = stream.read_all().to_pylist()
    return [{name: _finite(value) for name, value in row.items()} for row in rows]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
