"""Whose turn it is: the queue before the worker, fair between sessions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection

from mi_core.jobs.job import Job


class FairQueue:
    """Waiting jobs. The session served least recently goes first; inside one session, first come, first served.

    A job that several sessions wait for has the turn of the one served least recently.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._served: dict[str, int] = {}
        self._clock = itertools.count(1)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Queue a job."""
        self._jobs.append(job)

    def drop(self, job: Job) -> bool:
        """Take a job out; False if it was not waiting."""
        if job not in self._jobs:
            return False
        self._jobs.remove(job)
        return True

    def waiting(self, fits: Callable[[Job], bool]) -> list[Job]:
        """The jobs that fulfil `fits`, in order of arrival."""
        return [job for job in self._jobs if fits(job)]

    def take(self, candidates: Collection[Job]) -> Job | None:
        """The candidate whose turn it is, out of the queue; None when none of them waits any more."""
        waiting = self.waiting(lambda job: job in candidates)
        if not waiting:
            return None
        job = min(waiting, key=self._last_served)
        self._jobs.remove(job)
        now = next(self._clock)
        self._served |= dict.fromkeys(job.sessions, now)
        return job

    def rest(self) -> None:
        """Nobody waits: who was served when no longer matters."""
        self._served.clear()

    def _last_served(self, job: Job) -> int:
        return min((self._served.get(session, 0) for session in job.sessions), default=0)
