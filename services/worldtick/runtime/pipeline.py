"""The pipeline: while one batch is published, the next is committed and the one after it prepared.
Lives here: the two threads behind the worker's own, handing over, counting what is under way. Not here: the stages."""

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, Final

from worldtick.runtime.batches import Prepared
from worldtick.runtime.effects import Effect

PASS_S_MAX: Final = 15.0  # a call to Kafka or PostgreSQL has bounds below that
DEPTH: Final = 1  # batches waiting before a stage; more bring nothing and are lost in a failure
Perform = Callable[[Any], Any]
Stage = Callable[[Prepared], bool]


def drive(steps: Generator[Effect, Any, Any], perform: Perform) -> Any:
    """Run a protocol's generator to its end: perform what it yields, answer it; its return value."""
    try:
        effect = next(steps)
        while True:
            effect = steps.send(perform(effect))
    except StopIteration as ended:
        return ended.value


class Pipeline:
    """Commits and publishes batches in order; the first failure drops all that are under way."""

    def __init__(self, commit: Stage, publish: Stage, fail: Callable[[], None]) -> None:
        self.error: BaseException | None = None  # what broke a stage, until cleared
        self.failed = False
        self._commit, self._publish, self._fail = commit, publish, fail
        self._under_way = 0
        self._idle = threading.Condition()
        self._committing: queue.Queue[Prepared | None] = queue.Queue(DEPTH)
        self._publishing: queue.Queue[Prepared | None] = queue.Queue(DEPTH)
        self._threads = [
            threading.Thread(target=self._run, args=(self._committing, self._commit_one), name="commit", daemon=True),
            threading.Thread(target=self._run, args=(self._publishing, self._publish_one), name="publish", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._under_way == 0

    def pass_on(self, batch: Prepared, lone: bool, seconds_max: float = PASS_S_MAX) -> bool:
        """Hand a prepared batch over; waits while the next stage is full. A lone one at rest is done here and now.

        False: the next stage has not taken it in time, so that it is dropped.
        """
        if lone and self.idle:
            if self._guarded(self._commit, batch):
                self._guarded(self._publish, batch)
            return True
        with self._idle:
            self._under_way += 1
        try:
            self._committing.put(batch, timeout=seconds_max)
        except queue.Full:
            self._done()
            return False
        return True

    def wait_idle(self, seconds_max: float) -> bool:
        """Wait until nothing is under way, or the time is up; says which."""
        with self._idle:
            return self._idle.wait_for(lambda: self._under_way == 0, seconds_max)

    def clear(self) -> None:
        """Forget a failure that was dealt with."""
        self.failed, self.error = False, None

    def close(self, seconds_max: float) -> bool:
        """End the threads, after what is under way; False if it does not end in time, and goes with the process."""
        for waiting, thread in zip((self._committing, self._publishing), self._threads, strict=True):
            try:
                waiting.put(None, timeout=seconds_max)
            except queue.Full:
                return False
            thread.join(seconds_max)
            if thread.is_alive():
                return False
        return True

    def _run(self, incoming: "queue.Queue[Prepared | None]", one: Callable[[Prepared], None]) -> None:
        while (batch := incoming.get()) is not None:
            one(batch)

    def _commit_one(self, batch: Prepared) -> None:
        if self._guarded(self._commit, batch):
            self._publishing.put(batch)
        else:
            self._done()

    def _publish_one(self, batch: Prepared) -> None:
        self._guarded(self._publish, batch)
        self._done()

    def _guarded(self, stage: Stage, batch: Prepared) -> bool:
        try:
            well = stage(batch)
        except BaseException as error:  # noqa: BLE001 - the worker's own thread takes it up
            self._fail()
            self.error = self.error or error
            well = False
        self.failed = self.failed or not well
        return well

    def _done(self) -> None:
        with self._idle:
            self._under_way -= 1
            self._idle.notify_all()
