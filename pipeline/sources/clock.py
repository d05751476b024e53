"""When the pictures of a live stream were taken, on this machine's clock."""

from __future__ import annotations

from collections import deque

#: Seconds over which the quickest delivery is remembered.
SPAN_S = 10.0
#: Share of reads that had to wait from which a stream is known not to be behind.
WAITED = 0.5
#: Longest time for which a picture that came in a burst is held back, in seconds: segments are
#: shorter.
MOST_WAIT_S = 20.0
#: Lag that jitter alone does not explain, in seconds.
JITTER_S = 0.5


class StreamClock:
    """Estimates capture times from a stream's time stamps and when its pictures arrived.

    Stamps advance with the camera's clock; pictures arrive late, never early. So the smallest
    difference of both over the last seconds is the clocks' offset, and whatever a picture arrived
    later than that it spent waiting: in the network, in a socket, in the decoder. Clock drift
    follows as old differences are forgotten. A stream whose stamps run at a wrong rate seems to
    fall behind more and more; but one that had to be waited for is not behind, and starts anew.
    """

    def __init__(self) -> None:
        self._least: deque[tuple[float, float]] = deque()
        self._waited = 0.0

    def captured_at(self, pts: float, arrived: float, waited: bool) -> float:
        """Monotonic time at which a picture was taken, never after it arrived.

        Args:
            pts: its stamp in stream seconds.
            arrived: monotonic seconds.
            waited: whether reading it had to wait for the camera.
        """
        offset = arrived - pts
        while self._least and self._least[0][0] < arrived - SPAN_S:
            self._least.popleft()
        while self._least and self._least[-1][1] >= offset:
            self._least.pop()
        self._least.append((arrived, offset))
        self._waited += 0.05 * (waited - self._waited)
        lag = offset - self._least[0][1]
        if lag > JITTER_S and self._waited > WAITED:
            self._least.clear()
            self._least.append((arrived, offset))
            lag = 0.0
        return arrived - lag

    def arrived_at(self, taken: float, arrived: float) -> float:
        """Monotonic time from which this process could deal with a picture: when it arrived, where
        the stream has to be waited for; else when it was taken, since it waited here."""
        return arrived if self._waited > WAITED else taken


class Metronome:
    """Hands out pictures that come in bursts, segments of HLS, at the speed at which they were
    taken. A burst that comes late shifts all that follow: a stream is as old as its latest burst
    made it, and never plays faster to catch up."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def wait_s(self, pts: float, now: float) -> float:
        """Seconds until a picture's turn: its stamp in stream seconds, the time monotonic."""
        wait = -1.0 if self._offset is None else self._offset + pts - now
        if not 0 < wait < MOST_WAIT_S:
            self._offset, wait = now - pts, 0.0
        return wait
