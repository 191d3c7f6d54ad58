"""The simulated PostgreSQL as one worker sees it: the same effects, the same answers as runtime/postgres.py gives.
Lives here: which effect is which transaction. Not here: the tables (store), lost answers' causes (performing)."""

from typing import Any

from tests.simulation.store import Fault, Store
from worldtick.runtime.effects import (
    Attempt,
    Claim,
    Commit,
    Diverge,
    LastOrigins,
    LoadLedger,
    LoadOutputs,
    LoadSlices,
    LoadTicks,
    Release,
    Survived,
)
from worldtick.runtime.service import Service


class Database:
    """Performs the SQL effects of one worker."""

    def __init__(self, store: Store, service: Service[Any], reader_key: int, worker_key: int) -> None:
        self._store, self._service = store, service
        self._reader_key, self._worker_key = reader_key, worker_key

    def perform(self, effect: Any, fault: Fault = Fault.NONE) -> Any:
        """Do one effect and answer it; the fault befalls a commit."""
        store = self._store
        match effect:
            case Claim():
                return store.claim(self._reader_key, self._worker_key, effect.partitions)
            case Release():
                return store.release(self._reader_key, self._worker_key, effect.partitions)
            case LoadSlices():
                return store.load_slices(self._service.name, effect)
            case LoadTicks():
                return store.load_ticks(self._service.stream, effect.ranges)
            case LoadLedger():
                return store.load_ledger(effect.ranges)
            case Attempt():
                return store.attempt(effect.slice_key, effect.version)
            case Survived():
                return store.survived(effect.slice_key, effect.version)
            case Diverge():
                return store.diverge(effect.slice_key)
            case Commit():
                return store.commit(effect.writes, fault)
            case LastOrigins():
                return store.last_origins(effect.reader_key, effect.partitions)
            case LoadOutputs():
                return store.load_outputs(effect.reader_key, effect.ranges)
        raise AssertionError(f"no such effect: {effect}")
