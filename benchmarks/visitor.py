"""One visitor of a running Loupe, speaking Streamlit's protocol over a websocket as a browser does."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

DONE = ForwardMsg.FINISHED_SUCCESSFULLY


@dataclass(frozen=True)
class Seen:
    """What a page showed: its headings and messages, and every chart's specification with its rows."""

    words: tuple[str, ...]
    charts: tuple[dict[str, Any], ...]


class Visitor:
    """A session: open it with `async with`, then `look` at pages.

    Args:
        port: Of the server on this computer.
        dark: Which theme the browser has.
    """

    def __init__(self, port: int, *, dark: bool = False) -> None:
        self._address = f"ws://127.0.0.1:{port}/_stcore/stream"
        self._scheme = "dark" if dark else "light"
        self._pages: dict[str, str] = {}
        self._socket: ClientConnection

    async def __aenter__(self) -> Visitor:
        self._socket = await connect(self._address, subprotocols=["streamlit"], max_size=None, open_timeout=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def look(self, page: str, patience: float, **fields: str) -> Seen:
        """Open a page by its address and read until its run has ended.

        Raises:
            TimeoutError: It took longer than `patience` seconds.
        """
        message = BackMsg()
        state = message.rerun_script
        state.query_string = urlencode(fields)
        state.page_script_hash = self._pages.get(page, "")
        state.page_name = "" if page in self._pages else page
        state.context_info.color_scheme = self._scheme
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(patience):
            return await self._read()

    async def _read(self) -> Seen:
        elements: dict[tuple[int, ...], Any] = {}
        while True:
            message = ForwardMsg.FromString(await self._socket.recv())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                elements.clear()
            elif kind == "navigation":
                self._pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                elements[tuple(message.metadata.delta_path)] = message.delta.new_element
            elif kind == "script_finished" and message.script_finished == DONE:
                return _seen([elements[path] for path in sorted(elements)])


def _seen(elements: list[Any]) -> Seen:
    words, charts = [], []
    for element in elements:
        kind = element.WhichOneof("type")
        if kind in ("heading", "alert"):
            words.append(getattr(element, kind).body)
        elif kind == "vega_lite_chart":
            charts.append(_chart(element.vega_lite_chart))
    return Seen(tuple(words), tuple(charts))


def _chart(chart: Any) -> dict[str, Any]:
    data = [(each.name, each.data.data) for each in chart.datasets]
    return json.loads(chart.spec) | {"rows": {name: _rows(stream) for name, stream in data}}


def _rows(stream: bytes) -> list[dict[str, Any]]:
    with pa.ipc.open_stream(stream) as table:
        return table.read_all().to_pylist()
