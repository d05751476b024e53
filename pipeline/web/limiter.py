"""Failed logins counted: who guesses waits."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque

#: Failures in so many seconds, at most.
LIMITS = ((5, 60.0), (20, 3600.0))
#: Names and addresses remembered.
_MOST = 10_000


class Limiter:
    """Failures by name and by address, in memory. Works from any thread."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, *keys: str) -> float:
        """Seconds until another try; 0 for now."""
        now, wait = time.monotonic(), 0.0
        with self._lock:
            for key in keys:
                times = self._failures.get(key, deque())
                for most, seconds in LIMITS:
                    recent = [at for at in times if now - at < seconds]
                    if len(recent) >= most:
                        wait = max(wait, recent[-most] + seconds - now)
        return wait

    def failed(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                times = self._failures.setdefault(key, deque(maxlen=LIMITS[-1][0]))
                times.append(time.monotonic())
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def passed(self, *keys: str) -> None:
        """Somebody knew the password: failures before are forgotten."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)


def network(client: str) -> str:
    """What counts as one client: an address, of IPv6 the network it can choose from."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client
