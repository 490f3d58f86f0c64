"""One computation in flight: who waits for it, how far it is, what came of it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_core.jobs.request import Request

if TYPE_CHECKING:
    from mi_core.result import Result

SLICE = 0.5  # seconds: on Windows a wait without end cannot be interrupted from the keyboard


class Cancelled(Exception):
    """Nobody waits for this computation any more."""


@dataclass(frozen=True)
class Progress:
    """How far a long computation is: `done` of `total` steps, what it has so far, and seconds left at this pace.

    `seconds_left` is None until the first step is done. While something is fetched first, `message` says what and how
    far it is, and the steps are bytes; `total` is 0 where their number is not known.
    """

    done: int
    total: int
    partial: Result | None = None
    seconds_left: float | None = None
    message: str = ""


class Job:
    """A request on its way to a result; all who ask for the same thing share one.

    Args:
        request: What is computed.
        on_leave: Called each time a waiter goes.
    """

    def __init__(self, request: Request, on_leave: Callable[[Job], None]) -> None:
        self.request = request
        self.sessions: set[str] = set()
        self.waiters = 0
        self.progress: Progress | None = None
        self._on_leave = on_leave
        self._finished = threading.Event()
        self._value: Result | None = None
        self._error: BaseException | None = None
        self._traceback = None

    @property
    def done(self) -> bool:
        """Whether `result` answers at once."""
        return self._finished.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds (None: as long as it takes); True when done."""
        if timeout is not None:
            return self._finished.wait(timeout)
        while not self._finished.wait(SLICE):
            pass
        return True

    def result(self) -> Result:
        """The analysis' result, waited for if need be.

        Raises:
            Cancelled: Everybody had left.
            Exception: Whatever the analysis raised, as it was.
        """
        self.wait()
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)
        return self._value

    def leave(self) -> None:
        """This waiter has gone: call once for each `Engine.submit`.

        When the last has gone, a queued job is dropped, and a running one is cancelled at its next progress step.
        """
        self._on_leave(self)

    def finish(self, value: Result | None = None, error: BaseException | None = None) -> Job:
        """Hand out the result, or the error, to all who wait."""
        if error is not None:
            traceback.clear_frames(error.__traceback__)  # their local tensors would live as long as the error
            self._error, self._traceback = error, error.__traceback__
        self._value = value
        self._finished.set()
        return self


class Pace:
    """Seconds left, from the time of one's own that the steps so far have taken."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first = 0
        self._lent = 0.0

    def at(self, done: int, total: int) -> float | None:
        """Seconds left after `done` of `total` steps; a report of no steps restarts the clock."""
        if done <= self._first:
            self._began, self._first, self._lent = time.monotonic(), done, 0.0
            return None
        own = time.monotonic() - self._began - self._lent
        return own / (done - self._first) * (total - done)

    def lend(self, seconds: float) -> None:
        """Time in which others' requests were served does not count."""
        self._lent += seconds
