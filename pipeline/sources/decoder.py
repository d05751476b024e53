"""From a stream's packets to whole pictures, as thoroughly as is worth it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

import av

from pipeline.types import Decoding

#: After a loss, pictures of a camera are left out until a key frame, for this long at most: some
#: cameras send none and refresh their picture in stripes.
_KEY_WAIT_S = 12.0
#: Codecs in which quick decoding saves something, and FFmpeg's words for it.
_QUICK = ("h264", "hevc")
_QUICKLY = (("skip_frame", "noref"), ("skip_loop_filter", "all"))
#: The same of a stream with B-frames: without these, pictures come in the order they are shown in,
#: and none has to wait for another.
_QUICKLY_B = (("skip_frame", "bidir"), ("skip_loop_filter", "all"), ("flags", "low_delay"))


class Decoder:
    """Decodes the packets of one opened video stream; never yields a picture with a part missing.

    A camera's decoder can be told to be quick or to take key frames only. What that leaves out is
    missing until the next key frame, and so is what the network lost.
    """

    def __init__(self, context: Any, live: bool) -> None:
        self.corrupt = 0
        self.lost = 0
        # A GPU decodes all of it as fast. Older PyAV has no hardware decoding.
        on_gpu = getattr(context, "is_hwaccel", False)
        self._may_be_quick = context.name in _QUICK and not on_gpu
        self._first = self._context = context
        # Only the stream's own knows in which order it shows its pictures. Another one can be
        # closed when the next takes its place.
        self._in_order = not context.has_b_frames
        if live and self._may_be_quick and self._in_order:
            self._context = self._made(quick=False)
        self._live = live
        self._quick = False
        self._gap: float | None = None
        self._lost: float | None = None

    def decode(
        self, packet: Any, decoding: Decoding, turn: AbstractContextManager[object]
    ) -> list[Any]:
        """The pictures a packet completes, often none."""
        if self._live and self._left_out(packet, decoding):
            return []
        try:
            with turn:
                pictures = self._context.decode(packet)
        except av.error.EOFError:
            return []
        except (av.FFmpegError, ValueError):
            self.lost += 1
            self._lose()
            return []
        whole = [picture for picture in pictures if self._whole(picture)]
        self.lost += len(pictures) - len(whole)
        return whole

    def _left_out(self, packet: Any, decoding: Decoding) -> bool:
        """Whether a packet is not decoded; changes the decoder where it has to."""
        now = time.monotonic()
        if packet.is_keyframe:
            self._gap = None
            if decoding != "key" and self._quick != (decoding == "quick"):
                self._replace_decoder(quick=decoding == "quick")
            return False
        if decoding != "key" and self._gap is None:
            return False
        self._gap = self._gap or now
        if now - self._gap < _KEY_WAIT_S:
            return True
        self._gap = None  # this camera sends none
        self._lose()
        return False

    def _replace_decoder(self, quick: bool) -> None:
        """Go on with a new decoder, quick or not, which can begin at a key frame only."""
        self._quick = quick
        if not self._may_be_quick:
            return
        if quick or self._in_order:
            self._context = self._made(quick)
        else:
            self._first.flush_buffers()
            self._context = self._first

    def _made(self, quick: bool) -> Any:
        made = av.CodecContext.create(self._first.name, "r")
        made.extradata = self._first.extradata
        made.thread_count = 1
        made.options = dict((_QUICKLY if self._in_order else _QUICKLY_B) if quick else ())
        return made

    def _lose(self) -> None:
        self.corrupt += 1
        if self._live and self._lost is None:
            self._lost = time.monotonic()

    def _whole(self, picture: Any) -> bool:
        """Whether a picture is what the camera saw: nothing missing, nor in those it builds on."""
        if picture.is_corrupt:
            self._lose()
            return False
        if self._lost is not None and (
            picture.key_frame or time.monotonic() - self._lost > _KEY_WAIT_S
        ):
            self._lost = None
        return self._lost is None
