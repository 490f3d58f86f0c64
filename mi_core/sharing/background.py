"""Batches that are computed behind the pages: one thread each, a row at a time, in turns with everybody else.

What is done stands on disk only. A thread that ends, with its process or because it was stopped, loses the row that it
was at; whoever starts the batch again goes on from there.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path

import filelock

from mi_core.errors import InputError
from mi_core.jobs.engine import Engine, engine
from mi_core.jobs.job import Cancelled, Pace
from mi_core.jobs.request import Request
from mi_core.result import Result
from mi_core.sharing.kept_batch import KeptBatch, trim

log = logging.getLogger("loupe")

MOST_ENDED = 16  # runs of which it is still known why they ended
LOOK_SECONDS = 0.2  # how often a computation that is under way looks whether it is to stop

_running: dict[Path, BackgroundRun] = {}
_lock = threading.Lock()


class BackgroundRun:
    """A batch that is being computed. What it says of itself may be read from any thread."""

    def __init__(self, kept: KeptBatch, engine: Engine) -> None:
        self.kept = kept
        self.done = kept.done()
        """Prompts that have a result."""
        self.failed = 0
        """Prompts that could not be used."""
        self.seconds_left: float | None = None
        """At the pace so far; None until a row is done."""
        self.error = ""
        """Why it ended before all rows were dealt with; empty where it did not, or was told to."""
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"batch {kept.folder.name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Stop before the next row; the one that is computed now is given up."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout)

    def _work(self) -> None:
        try:
            self.kept.forget_failures()
            with filelock.FileLock(self.kept.folder / "lock", timeout=0):
                self._steps()
        except Cancelled:
            pass
        except filelock.Timeout:
            self.error = "Another Loupe on this computer computes this batch now: wait until it is done."
        except InputError as error:
            self.error = error.message
        except Exception:
            log.exception("a batch of %s failed", self.kept.batch.plan.analysis)
            self.error = "This batch stopped unexpectedly. The server's log has the details; what was done is kept."

    def _steps(self) -> None:
        held = self.kept.batch.resume()
        self.done, pace, waiting = len(held), Pace(), self.kept.total - len(held)
        pace.at(0, waiting)
        for step in self.kept.batch.steps(self._compute, held):
            self.kept.note(step)
            self.done += step.error is None
            self.failed += step.error is not None
            self.seconds_left = pace.at(self.done + self.failed - len(held), waiting)

    def _compute(self, request: Request) -> Result:
        if self._stop.is_set():
            raise Cancelled
        job = self._engine.submit(request, session=self.kept.folder.name)
        try:
            while not job.wait(LOOK_SECONDS):
                if self._stop.is_set():
                    raise Cancelled
        finally:
            job.leave()
        try:
            return job.result()
        except (InputError, Cancelled):
            raise
        except MemoryError as error:
            raise InputError("This needs more memory than is free: shorten the prompt.", "prompt") from error
        except Exception as error:
            log.exception("%s failed in a batch", request.analysis)
            said = f"This could not be computed ({type(error).__name__}). The server's log has the details."
            raise InputError(said, "prompt") from error


def start(kept: KeptBatch) -> BackgroundRun:
    """Compute what is not done of a batch, and what failed; the run that does so already, where there is one."""
    with _lock:
        if (run := _running.get(kept.folder)) is not None and run.is_alive:
            return run
        trim([kept.folder, *(folder for folder, other in _running.items() if other.is_alive)])
        ended = [folder for folder, other in _running.items() if not other.is_alive]
        for folder in ended[:-MOST_ENDED]:
            del _running[folder]
        run = _running[kept.folder] = BackgroundRun(kept, engine())
        return run


def last_run(kept: KeptBatch) -> BackgroundRun | None:
    """The run of this batch in this process, which may have ended; None where there was none."""
    return _running.get(kept.folder)


def forget(kept: KeptBatch) -> None:
    """Stop a batch and delete all there is of it."""
    with _lock:
        run = _running.pop(kept.folder, None)
    if run is not None:
        run.cancel()
        run.join()
    with suppress(OSError):
        kept.forget()
