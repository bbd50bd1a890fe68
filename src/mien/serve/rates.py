"""How often somebody may ask in a minute; knows names and a clock, and no request."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

_MOST = 10_000


class Rates:
    """So many a minute for each name, evenly filled up again, and all of them at once where they were saved up."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = a_minute, clock
        self._turn = Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> int:
        """0 where this one is allowed; else in how many seconds the next one will be."""
        with self._turn:
            now = self._clock()
            left, since = self._left.pop(name, (float(self._most), now))
            left = min(self._most, left + (now - since) * self._most / 60)
            allowed = left >= 1
            self._left[name] = (left - 1 if allowed else left, now)
            if len(self._left) > _MOST:  # whoever has not asked for the longest time has a full measure anyway
                self._left.popitem(last=False)
            return 0 if allowed else max(1, math.ceil((1 - left) * 60 / self._most))
