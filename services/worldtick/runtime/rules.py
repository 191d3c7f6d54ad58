"""The bounds that a worker keeps.
Lives here: their names, defaults and the snapshot policy. Not here: what is done at a bound."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """All bounds of one worker. They change how work is cut and when state is stored, never what comes of it."""

    batch_records: int = 2_000  # records of one batch; more bring little and make a lost batch dearer
    ticks_per_record: int = 64  # of one slice under one record; what is left is rung again
    attempts_max: int = 3  # begun and not ended so often, a step is dead
    parks_after: int = 3  # dead steps in a row, after which a slice waits for `slice resume`
    snapshot_bytes_per_tick: int = 16_384  # what snapshots may cost a slice's tick on average
    snapshot_ticks_max: int = 24  # a takeover steps again through at most so many ticks
    snapshot_kept_every_ticks: int = 240  # kept for verify and time travel when newer ones come
    memory_bytes_max: int = 1 << 30  # encoded size of the slices kept between batches
    message_bytes_max: int = 524_288 - 16_384  # below simulation.event's limit, with room for key and headers

    def snapshot_due(self, size_bytes: int, ticks_since: int, turn: int) -> bool:
        """Whether a state of this size is stored now: every tick while it is small, else as its bytes allow.

        turn: place + a slice's own number; slices that moved together take their turns, not one tick all at once.
        """
        period = min(self.snapshot_ticks_max, -(-size_bytes // self.snapshot_bytes_per_tick))
        return ticks_since >= period or (ticks_since > 0 and turn % period == 0)

    def snapshot_kept(self, from_version: int, version: int) -> bool:
        """Whether a snapshot is taken and kept at this move: where it passes a multiple of the interval."""
        return version // self.snapshot_kept_every_ticks > from_version // self.snapshot_kept_every_ticks
