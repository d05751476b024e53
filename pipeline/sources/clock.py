"""The times of a live stream's pictures: how its own time goes on, when they were taken by this
machine's clock and by the camera's, and whether one is missing."""

from __future__ import annotations

from collections import deque
from math import inf
from statistics import median

#: Seconds over which the quickest delivery is remembered.
SPAN_S = 10.0
#: Share of reads that had to wait from which a stream is known not to be behind.
WAITED = 0.5
#: Longest time for which a picture that came in a burst is held back, in seconds: segments are
#: shorter.
MOST_WAIT_S = 20.0
#: Share by which a stream in bursts is played too fast until it is as young as it can be.
HURRY = 0.1
#: Seconds by which a burst is late that had to be waited for.
LATE_S = 0.2
#: The same after an interruption: playlists are asked for anew after half a segment.
INTERRUPTED_S = 5.0
#: Lag that jitter alone does not explain, in seconds.
JITTER_S = 0.5
#: By how many seconds a stream's time may be ahead of all that came before.
JUMP_S = 3.0
#: Highest stamp with which a stream may begin, in seconds.
MOST_START_S = 60.0
#: Shortest step of a stream's time, in seconds.
STEP_S = 0.001
#: Seconds over which the speed of a stream's time is measured.
SPEED_S = 4.0
#: Difference from the clock's speed that no camera's clock has.
WRONG_SPEED = 0.15
#: How often in a row it is measured until it is believed.
WRONG_TIMES = 2
#: Seconds by which a camera's clock leaps when it is set, or when a report is wrong.
LEAP_S = 10.0
#: Seconds after which such a leap is believed: reports come every five.
BELIEVED_S = 6.0
#: Steps between pictures by which it is judged how far apart they are.
STEPS = 25
#: Share of steps that are alike where pictures come evenly.
EVEN = 0.75
#: Longest step that is taken for missing pictures, in seconds: a camera may pause.
MOST_MISSING_S = 3.0


class StreamTime:
    """Seconds of a live stream, always rising, whatever its stamps do.

    Pictures arrive late, never early. So a stamp that is far ahead of all before, by when its
    picture arrived, is no time, and neither is one that does not rise: from there the stream goes
    on by the clock, and as before once stamps fit again. Stamps that run at another speed than the
    clock are made up, and not used any more.

    Args:
        stamped: whether it has stamps at all; FFmpeg makes some up where it has none.
        step_s: how its time goes on where the clock cannot tell since pictures come in bursts.

    Attributes:
        jumps: how often its time jumped.
    """

    def __init__(self, stamped: bool = True, step_s: float | None = None) -> None:
        self.jumps = 0
        self._stamped = stamped
        self._step_s = step_s
        self._speed = _Speed()
        self._pts: float | None = None
        self._at = 0.0
        #: Smallest difference so far of when a picture arrived and its stream seconds.
        self._least = 0.0
        #: What makes stream seconds of a stamp, and whether one was right after another.
        self._shift = 0.0
        self._proven = True
        #: The last such shift that was.
        self._former: float | None = None

    def seconds(self, stamp: float | None, arrived: float, waited: bool) -> float:
        """Stream seconds of a picture.

        Args:
            stamp: seconds from the start of the stream, if it has one.
            arrived: monotonic seconds.
            waited: whether reading it had to wait for the camera.
        """
        if not self._stamped:
            stamp = None
        if self._pts is None:
            self._pts = stamp if stamp is not None and 0 <= stamp <= MOST_START_S else 0.0
            self._shift = self._pts - (stamp or 0.0)
            self._least = arrived - self._pts
        else:
            passed = arrived - self._at if self._step_s is None else self._step_s
            due = self._pts + max(passed, STEP_S)
            now = due if stamp is None else self._by_stamp(stamp, due, arrived)
            self._pts = max(now, self._pts + STEP_S)
            self._least = min(self._least, arrived - self._pts)
        self._at = arrived
        if self._stamped and self._step_s is None and self._speed.wrong(self._pts, arrived, waited):
            self._stamped = False
            self.jumps += 1
        return self._pts

    def _by_stamp(self, stamp: float, due: float, arrived: float) -> float:
        """Stream seconds of a stamped picture; ``due`` are those by the clock."""
        assert self._pts is not None
        seconds = stamp + self._shift
        if seconds > self._pts and arrived - seconds > self._least - JUMP_S:
            self._proven = True
            return seconds
        if self._proven:
            self._former = self._shift
        elif self._former is not None and self._pts < stamp + self._former < due + JUMP_S:
            self._shift = self._former
            return stamp + self._shift
        self._proven = False
        self._shift = due - stamp
        self.jumps += abs(seconds - due) > JUMP_S
        return due


class _Speed:
    """Tells when a stream's time runs at another speed than the clock: of the pictures of every few
    seconds, the quickest tells how far behind it is."""

    def __init__(self) -> None:
        self._waited = 0.0
        self._began: float | None = None
        self._least = inf
        self._former: tuple[float, float] | None = None
        #: How often in a row it was too slow, or, below 0, too fast.
        self._times = 0

    def wrong(self, pts: float, arrived: float, waited: bool) -> bool:
        """Take in a picture; whether the speed is wrong. A stream that need not be waited for is
        behind because of this machine."""
        self._waited += 0.05 * (waited - self._waited)
        if self._began is None:
            self._began = arrived
        elif arrived - self._began >= SPEED_S:
            self._measure(self._began)
            self._began, self._least = arrived, inf
        self._least = min(self._least, arrived - pts)
        return abs(self._times) >= WRONG_TIMES

    def _measure(self, began: float) -> None:
        if self._former is not None and self._waited > WAITED:
            before, least = self._former
            slow = (self._least - least) / (began - before)
            if abs(slow) < WRONG_SPEED:
                self._times = 0
            else:
                self._times = max(self._times, 0) + 1 if slow > 0 else min(self._times, 0) - 1
        self._former = began, self._least


class CameraClock:
    """The time of pictures by the camera's own clock, as its reports tell (RTCP).

    A leap is not believed at once: when the stamps of a stream jump, reports are wrong until the
    next one comes.
    """

    def __init__(self) -> None:
        self._stamp = 0.0
        self._utc: float | None = None
        #: By how much it is ahead of this machine's.
        self._ahead: float | None = None
        self._leapt: tuple[float, float] | None = None

    def report(self, stamp: float, utc: float) -> None:
        """What the camera's clock showed at a stamp; both in seconds."""
        self._stamp, self._utc = stamp, utc

    def utc(self, stamp: float, here: float, now: float) -> float | None:
        """Seconds since the epoch at a stamp; ``None`` where that is not known, or in doubt.

        Args:
            here: the same by this machine's clock.
            now: monotonic seconds.
        """
        if self._utc is None:
            return None
        told = self._utc + stamp - self._stamp
        ahead = told - here
        if self._ahead is not None and abs(ahead - self._ahead) > LEAP_S:
            if self._leapt is None or abs(ahead - self._leapt[1]) > LEAP_S:
                self._leapt = now, ahead
            if now - self._leapt[0] < BELIEVED_S:
                return None
        self._ahead, self._leapt = ahead, None
        return told


class Cadence:
    """Counts pictures that never came, where a camera sends them evenly."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=STEPS)

    def missing(self, stamp: float) -> int:
        """How many are missing before the picture with this stamp, in seconds."""
        if self._last is None:
            self._last = stamp
            return 0
        step, self._last = stamp - self._last, stamp
        usual = median(self._steps) if len(self._steps) == STEPS else 0.0
        alike = sum(abs(one - usual) <= 0.1 * usual for one in self._steps)
        self._steps.append(step)
        even = usual > 0 and alike >= EVEN * STEPS
        return round(step / usual) - 1 if even and usual < step < MOST_MISSING_S else 0


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
    made it.

    How long a segment had been there when it was asked for is not known. So a stream is played
    slightly too fast at first, and after an interruption, until the next segment has to be waited
    for: then it is as young as it can be.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._pts = 0.0
        self._hurry = True

    def wait_s(self, pts: float, now: float) -> float:
        """Seconds until a picture's turn: its stamp in stream seconds, the time monotonic."""
        wait = -1.0
        if self._offset is not None:
            self._offset -= HURRY * max(pts - self._pts, 0.0) if self._hurry else 0.0
            wait = self._offset + pts - now
            if wait < -LATE_S:
                self._hurry = wait < -INTERRUPTED_S
        if not 0 < wait < MOST_WAIT_S:
            self._offset, wait = now - pts, 0.0
        self._pts = pts
        return wait
