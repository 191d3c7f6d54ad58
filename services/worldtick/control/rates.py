"""How fast each actor may command: a bucket of tokens for each, in wall time.
Lives here: the buckets, and the bound on their number. Not here: reading a clock (the caller), refusals (hearing)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

ACTORS_MAX: Final = 10_000  # remembered; the one longest silent is forgotten, and so begins anew with a full bucket


@dataclass(slots=True)
class Rates:
    """per_minute tokens flow into each actor's bucket, which holds `burst`; monotonic seconds."""

    per_minute: int
    burst: int
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # actor -> (tokens, at)

    def allows(self, actor: str, now_s: float) -> bool:
        """Take a token, if there is one."""
        tokens, at_s = self._buckets.pop(actor, (float(self.burst), now_s))
        tokens = min(float(self.burst), tokens + max(0.0, now_s - at_s) * self.per_minute / 60)
        allowed = tokens >= 1
        self._buckets[actor] = (tokens - 1 if allowed else tokens, now_s)
        if len(self._buckets) > ACTORS_MAX:
            self._buckets.popitem(last=False)
        return allowed

    def has(self, actor: str, now_s: float) -> bool:
        """Whether `allows` would say yes; nothing is taken."""
        tokens, at_s = self._buckets.get(actor, (float(self.burst), now_s))
        return tokens + max(0.0, now_s - at_s) * self.per_minute / 60 >= 1
