"""A capture process as the run sees it: started, told what to receive, and started again if it
ends."""

from __future__ import annotations

import json
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pipeline.errors import redact
from pipeline.flow.apart.memory import Memory
from pipeline.flow.apart.messages import (
    Ask,
    Came,
    CloseupCame,
    Ended,
    Logged,
    Opened,
    Paced,
    Post,
    Remove,
    Stop,
    Tap,
)
from pipeline.flow.apart.seat import Seat
from pipeline.flow.backoff import backoff_s
from pipeline.flow.pace import Pace

log = logging.getLogger("threadline.capture")

#: Seconds between two looks at whether something is to be told, and in which a message is taken.
BEAT_S = 0.25
#: Seconds without a word from a process after which it is ended: it says something every 0.2 s.
SILENT_S = 10.0
#: Seconds within which one that ends twice, by itself, is divided.
DIVIDE_S = 300.0
#: Seconds it has to end once it was told to.
END_S = 0.8
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.flow.apart.entry import main; main(*map(int, sys.argv[2:]))"
)


class CaptureProcess:
    """One process and the cameras that it receives.

    Args:
        name: for messages.
        decoders: how many pictures it decodes at a time.
        pace: of the run.
        divide: takes half of the cameras away to another process.
    """

    def __init__(
        self, name: str, decoders: int, pace: Pace, divide: Callable[[CaptureProcess], None]
    ) -> None:
        self.name = name
        self._decoders = decoders
        self._pace = pace
        self._divide = divide
        self._paced: Paced | None = None
        self._seats: dict[int, Seat] = {}
        self._lock = threading.Lock()
        self._post: Post | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._over = False
        self._until: float | None = None

    @property
    def streams(self) -> int:
        """How many it receives."""
        with self._lock:
            return sum(1 if seat.main is None else 2 for seat in self._seats.values())

    def add(self, key: int, seat: Seat) -> bool:
        """Receive one more camera; whether it does, since it is not ending."""
        with self._lock:
            if self._over:
                return False
            if seat.main is not None:
                seat.main.ask = lambda after, urgent: self._send(Ask(key, after, urgent))
            self._seats[key] = seat
            self._send(seat.added(key))
        return True

    def give_half(self) -> dict[int, Seat]:
        """Every other camera, if it has several: somebody else receives them from now on."""
        with self._lock:
            given = {key: self._seats[key] for key in list(self._seats)[1::2]}
            for key in given:
                del self._seats[key]
                self._send(Remove(key))
        return given

    def remove(self, key: int) -> None:
        """Receive a camera no more."""
        with self._lock:
            if self._seats.pop(key, None) is not None:
                self._send(Remove(key))
                self._end_if_empty()

    def stop(self) -> None:
        """End all."""
        with self._lock:
            self._end()

    def run(self) -> None:
        """Until it was stopped, or has no cameras any more; on a thread of its own."""
        failures, ended = 0, float("-inf")
        while not self._over:
            began = time.monotonic()
            how = self._once()
            with self._lock:
                self._post = None
                if self._over:
                    break
                for seat in self._seats.values():
                    seat.down(f"{self.name} {how}")
            log.warning("%s %s; its cameras begin again", self.name, how)
            if time.monotonic() - ended < DIVIDE_S:
                self._divide(self)
            ended = time.monotonic()
            failures = 1 if time.monotonic() - began > SILENT_S else failures + 1
            pause = time.monotonic() + backoff_s(failures, random.random())
            while time.monotonic() < pause and not self._over:
                time.sleep(0.05)
                self._notice()

    def _once(self) -> str:
        """One process, from its start to its end; how it ended."""
        try:
            child, post, memory = self._started()
        except OSError as error:
            return f"cannot be started ({error})"
        with self._lock:
            self._child, self._post, self._paced = child, post, None
            for key, seat in self._seats.items():
                self._send(seat.added(key))
            if self._over:
                self._end()
        try:
            self._listen(post, memory)
        finally:
            child.kill()
            post.close()
            child.wait()
        ended = child.returncode
        return f"was ended by signal {-ended}" if ended < 0 else f"ended ({ended})"

    def _started(self) -> tuple[subprocess.Popen[bytes], Post, Memory]:
        memory = Memory()
        ours, theirs = socket.socketpair()
        ours.settimeout(BEAT_S)
        fds = (theirs.fileno(), memory.fd)
        level = logging.getLogger("threadline").getEffectiveLevel()
        numbers = map(str, (*fds, self._decoders, level))
        command = [sys.executable, "-I", "-c", _CODE, json.dumps(sys.path), *numbers]
        try:
            with theirs:
                child = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL)
        except OSError:
            ours.close()
            raise
        finally:
            memory.close()
        return child, Post(ours), memory

    def _listen(self, post: Post, memory: Memory) -> None:
        silent, looked = 0, 0.0
        while self._until is None or time.monotonic() < self._until:
            try:
                messages = post.receive()
                silent = 0
            except TimeoutError:
                messages, silent = [], silent + 1
                if silent * BEAT_S > SILENT_S:
                    log.warning("%s says nothing any more", self.name)
                    return
            except (EOFError, OSError):
                return
            for message in messages:
                self._take(message, memory)
            if (now := time.monotonic()) > looked + BEAT_S / 2:
                looked = now
                self._notice()

    def _notice(self) -> None:
        """Tell what the controllers say, and notice cameras that send nothing."""
        with self._lock:
            seats = list(self._seats.values())
            paced = Paced(self._pace.slowdown.factor, *self._pace.decoding.told())
            if paced != self._paced:
                self._paced = paced
                self._send(paced)
        for seat in seats:
            seat.notice(time.monotonic())

    def _take(self, message: Any, memory: Memory) -> None:
        if isinstance(message, Logged):
            logging.getLogger(message.record["name"]).handle(logging.makeLogRecord(message.record))
            return
        # Also where nobody wants it any more: its room is free again only once it was seen.
        shown = isinstance(message, Came | CloseupCame)
        planes = memory.picture(message.placed) if shown else None
        with self._lock:
            seat = self._seats.get(getattr(message, "key", 0))
        if seat is None:
            return
        seat.take(message, planes)
        if isinstance(message, Opened) and seat.tap is not None:
            self._send(Tap(message.key))
        if isinstance(message, Ended):
            with self._lock:
                self._seats.pop(message.key, None)
                self._end_if_empty()
            if message.error:
                raise RuntimeError(f"{seat.camera.name}: {redact(message.error)}")

    def _end_if_empty(self) -> None:
        if not self._seats:
            self._end()

    def _end(self) -> None:
        self._over = True
        if self._until is None:
            self._until = time.monotonic() + END_S
        self._send(Stop())

    def _send(self, message: object) -> None:
        """Send, if there is somebody; who does not take it is ended, and begun again."""
        post, child = self._post, self._child
        if post is None or child is None:
            return
        try:
            post.send(message)
        except OSError:
            child.kill()
