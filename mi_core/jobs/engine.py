"""Where every computation passes: cache, then fair queue, then one worker, then result.

Hooks are state of a model that all threads share, so one model computes one thing at a time. One thread serves all
models, because a second gains nothing where cores are few: on two cores that others used too, two small models at once
took about as long as one after the other when each had both torch threads, and longer when each had one. On many idle
cores that may be otherwise. It computes by `mi_core.jobs.worker.compute`, which knows nothing of all this. A worker per
model, here or on another machine, is a thread per model that runs `_work`, takes from the queue what is of its model
(`_can_run`), and calls a `compute` that sends the request there (`_result`).
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_type_hints

from mi_core.analyses._index import find_analysis, is_imported
from mi_core.errors import Absent, InputError
from mi_core.jobs.job import Cancelled, Job, Pace, Progress
from mi_core.jobs.loaded_models import LoadedModels, ModelStatus
from mi_core.jobs.memory import sealed, size_of
from mi_core.jobs.queue import FairQueue
from mi_core.jobs.request import Request
from mi_core.jobs.store import Store, default_store
from mi_core.jobs.worker import compute, is_long
from mi_core.lru import LRU

if TYPE_CHECKING:
    from mi_core.models.model import Model
    from mi_core.models.opening import Opening
    from mi_core.result import Result

RESULT_BYTES = 256 * 2**20
CLOSE_SECONDS = 10  # how long closing waits for a computation that does not report progress

_process_engine: Engine | None = None
_process_lock = threading.Lock()


def engine() -> Engine:
    """The engine of this process, made at the first call."""
    global _process_engine
    with _process_lock:
        if _process_engine is None:
            _process_engine = Engine(store=default_store())
            atexit.register(_process_engine.close)  # torch must not be cut off in the middle of a kernel
        return _process_engine


def run(analysis: str, model: str = "", **settings: Any) -> Any:
    """Compute, or take from the cache, one analysis of one model.

    Args:
        analysis: Its name, such as ``"logit_lens"``.
        model: Model id or folder; left out for an analysis that looks at no model.
        settings: The analysis' own settings, such as ``prompt``; and ``edits``, which are on meanwhile, as
            `mi_core.editing.recipes.parse` takes them.

    Returns:
        The analysis' result, a frozen dataclass whose arrays cannot be written to.

    Raises:
        InputError: The input cannot be used; the message says what to do.
    """
    return engine().run(Request.of(analysis, model, **settings))


class Engine:
    """One worker thread, a queue that is fair between sessions, and caches in memory and on disk.

    Args:
        store: Cache on disk, or None.
        load: `load(model_id, progress) -> Model`, with `progress(done, total, message)`, total 0 if unknown.
        result_bytes: Bound of the results held in memory.
        model_bytes: Bound of the weights held; None for 60 % of the memory free now.
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        load: Callable[..., Model] | None = None,
        result_bytes: int = RESULT_BYTES,
        model_bytes: int | None = None,
    ) -> None:
        self._lock = threading.Condition()
        self._store = store
        self._memory: LRU[str, Result] = LRU(result_bytes, size_of)
        self._queue = FairQueue()
        self._in_flight: dict[Request, Job] = {}
        self._models = LoadedModels(load, model_bytes, self._lock, self._busy, self._model_changed)
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="loupe worker", daemon=True)
        self._worker.start()

    # For those who ask ----------------------------------------------------------------------------------------------

    def run(self, request: Request, session: str = "") -> Result:
        """Submit and wait; leaves when interrupted. Raises what `Job.result` raises."""
        job = self.submit(request, session)
        try:
            job.wait()
        except BaseException:
            job.leave()
            raise
        return job.result()

    def submit(self, request: Request, session: str = "") -> Job:
        """Ask for a result without waiting for it.

        A result in a cache comes as a finished job; what is already in flight is joined, not computed twice.
        Errors, bad input among them, are raised by `Job.result`.
        """
        try:
            request.check()
            known, refused = self.cached(request), None
        except InputError as error:
            known, refused = None, error
        with self._lock:
            if self._closed:
                raise RuntimeError("The engine is closed.")
            if known is not None or refused is not None:
                return Job(request, self._leave).finish(known, refused)
            job = self._in_flight.get(request) or self._queued(request)
            job.waiters += 1
            job.sessions.add(session)
            return job

    def cached(self, request: Request) -> Result | None:
        """The result if it is in memory or on disk, and looking does not take long: the model is loaded, else None."""
        model = self._models.get(request.model)
        if model is None and (request.model or not is_imported(request.analysis)):
            return None
        try:
            return self._look_up(request, _key(request, model))
        except InputError:
            return None  # told by the job

    def warm(self, model_id: str) -> None:
        """Load a model in the background, if that has not been done; one that failed is tried again."""
        self._models.warm(model_id)

    def status(self, model_id: str) -> ModelStatus:
        """Where a model stands: absent, loading, ready or failed."""
        return self._models.status(model_id)

    def opening(self, model_id: str) -> Opening | None:
        """What comparing a loaded model with plain transformers found; None where it is not loaded."""
        model = self._models.get(model_id)
        return None if model is None else getattr(model, "opening", None)

    def fingerprint(self, model_id: str) -> str:
        """Of a loaded model's weights; "" where it is not loaded."""
        model = self._models.get(model_id)
        return "" if model is None else model.fingerprint

    def close(self) -> None:
        """Drop what waits, cancel what runs, stop the worker and let go of the models."""
        with self._lock:
            self._closed = True
            for job in self._queue.waiting(lambda job: True):
                self._drop(job)
            self._lock.notify_all()
        if threading.current_thread() is not self._worker:
            self._worker.join(CLOSE_SECONDS)
        self._models.close()

    # The worker -----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._work_once():
            pass

    def _work_once(self) -> bool:
        job = self._next()
        if job is not None:
            self._compute(job)
            self._models.trim()
        return job is not None

    def _next(self) -> Job | None:
        """Wait for a job whose model is ready; None when the engine closes."""
        with self._lock:
            while not self._closed:
                job = self._queue.take(self._queue.waiting(self._can_run))
                if job is not None:
                    return job
                if not self._queue:
                    self._queue.rest()
                self._lock.wait()
        return None

    def _can_run(self, job: Job) -> bool:
        return not job.request.model or self._models.is_ready(job.request.model)

    def _compute(self, job: Job) -> None:
        try:
            result = self._result(job)
        except Absent as missing:
            threading.Thread(target=self._fetch, args=(job, missing), name="fetch", daemon=True).start()
        except BaseException as error:  # those who wait must hear of it, and the worker goes on
            self._finish(job, error=error)
        else:
            self._finish(job, result)

    def _result(self, job: Job) -> Result:
        request, model = job.request, self._models.get(job.request.model)
        key = _key(request, model)
        known = self._look_up(request, key)
        if known is not None:
            return known
        result = sealed(compute(request, model, self._progress(job)))
        if self._store is not None and getattr(result, "lasting", True):
            self._store.put(f"{request.analysis}/{key}", result)
        self._memory.put(key, result)
        return result

    def _fetch(self, job: Job, missing: Absent) -> None:
        """Bring what a job lacks and queue it again; meanwhile the worker serves others."""

        def progress(done: int, total: int, message: str) -> None:
            job.progress = Progress(done, total, message=message)
            self._stop_if_unwanted(job)

        try:
            missing.fetch(progress)
            with self._lock:
                self._stop_if_unwanted(job)
                job.progress = None
                self._queue.add(job)
                self._lock.notify_all()
        except BaseException as error:  # as above
            self._finish(job, error=error)

    def _progress(self, job: Job) -> Callable[..., None]:
        """What a long analysis calls between chunks: reports, gives way to short requests, stops when unwanted."""
        pace = Pace()

        def progress(done: int, total: int, partial: Result | None = None) -> None:
            job.progress = Progress(done, total, sealed(partial), pace.at(done, total))
            self._stop_if_unwanted(job)
            began = time.monotonic()
            self._give_way(job)
            pace.lend(time.monotonic() - began)
            self._stop_if_unwanted(job)

        return progress

    def _give_way(self, job: Job) -> None:
        """Run the short requests of other sessions that wait at this moment."""
        with self._lock:
            guests = self._queue.waiting(lambda other: not other.sessions <= job.sessions and self._can_run(other))
        guests = [guest for guest in guests if not is_long(guest.request)]
        for _ in range(len(guests)):
            with self._lock:
                guest = self._queue.take(guests)
            if guest is None:
                return
            self._compute(guest)

    def _stop_if_unwanted(self, job: Job) -> None:
        with self._lock:
            if job.waiters > 0 and not self._closed:
                return
            self._in_flight.pop(job.request, None)  # from here on, who asks again starts anew
        raise Cancelled(f"Nobody waits for this {job.request.analysis} any more.")

    # Bookkeeping ----------------------------------------------------------------------------------------------------

    def _queued(self, request: Request) -> Job:
        job = self._in_flight[request] = Job(request, self._leave)
        self._queue.add(job)
        if request.model:
            self._models.warm(request.model)
        self._lock.notify_all()
        return job

    def _look_up(self, request: Request, key: str) -> Result | None:
        result = self._memory.get(key)
        if result is None and self._store is not None:
            kind = get_type_hints(find_analysis(request.analysis))["return"]
            result = self._store.get(f"{request.analysis}/{key}", kind)
            if result is not None:
                self._memory.put(key, result)
        return result

    def _finish(self, job: Job, result: Result | None = None, error: BaseException | None = None) -> None:
        with self._lock:
            if self._in_flight.get(job.request) is job:
                del self._in_flight[job.request]
            job.finish(result, error)

    def _leave(self, job: Job) -> None:
        with self._lock:
            job.waiters -= 1
            if job.waiters <= 0:
                self._drop(job)

    def _drop(self, job: Job, error: BaseException | None = None) -> None:
        """End a job that still waits; one that runs stops by itself."""
        if self._queue.drop(job):
            self._finish(job, error=error or Cancelled(f"Nobody waits for this {job.request.analysis} any more."))

    def _busy(self) -> set[str]:
        return {request.model for request in self._in_flight}

    def _model_changed(self, model_id: str) -> None:
        with self._lock:
            error = self.status(model_id).error
            if error is not None:
                for job in self._queue.waiting(lambda job: job.request.model == model_id):
                    self._drop(job, error)
            self._lock.notify_all()


def _key(request: Request, model: Model | None) -> str:
    """Where its result is kept: with the weights, and the SAEs, notes, lenses and checkpoints that lie beside them."""
    if model is None:
        return request.key("")
    from mi_core.lenses import files as lenses
    from mi_core.models import checkpoints
    from mi_core.saes import loading as saes

    beside = f"{saes.stamp(request.model)} {lenses.stamp(request.model, model.fingerprint)}"
    return request.key(f"{model.fingerprint} {beside} {checkpoints.stamp(request.model)}")
