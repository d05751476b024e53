"""Pictures put together from RTP payloads, as FFmpeg hands them out unparsed."""

from __future__ import annotations

import re
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CLIP

from pipeline.sources.assemble import Assembler

START = b"\0\0\0\1"
HEADER = {"h264": 1, "hevc": 2}


def stream(codec: str, slices: int = 1, frames: int = 40) -> list[list[bytes]]:
    """NAL units of every picture of a clip, without start codes."""
    name = {"h264": "libx264", "hevc": "libx265"}[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 10), Fraction(10)
    more = {"h264": f"x264-params slices={slices}:sliced-threads=0:aud=1:keyint=20".split()}
    key, value = more.get(codec, f"x265-params slices={slices}:keyint=20:log-level=none".split())
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", key: value}
    pictures = []
    with av.open(str(CLIP)) as source:
        for index, frame in enumerate(source.decode(video=0)):
            if index == frames:
                break
            small = frame.reformat(320, 240, "yuv420p")
            small.pts = index
            for packet in encoder.encode(small):
                nals = re.split(b"\0\0\0?\1", bytes(packet))
                pictures.append([nal for nal in nals if nal])
    return pictures


@pytest.fixture(scope="module", params=["h264", "hevc", "h264 in 3 slices"])
def sent(request):
    codec, *rest = request.param.split()
    return codec, stream(codec, 3 if rest else 1)


def payloads(codec, pictures, size):
    """RTP payloads as FFmpeg shows them: (bytes, time stamp, picture's number)."""
    for number, nals in enumerate(pictures):
        for nal in nals:
            head, body = nal[: HEADER[codec]], nal[HEADER[codec] :]
            if len(nal) <= size + 1:
                yield START + nal, number, number
                continue
            yield START + head + body[:size], number, number
            for at in range(size, len(body), size):
                yield body[at : at + size], number, number


class Payload(SimpleNamespace):
    """A packet's bytes and time stamps."""

    time_base = Fraction(1, 10)

    def __bytes__(self):
        return self.data


def assembled(codec, parts):
    """Pictures by the number of the payload that completed them."""
    assembler = Assembler(codec)
    for data, pts, number in parts:
        for whole in assembler.feed(Payload(data=data, pts=pts, dts=None)):
            yield number, whole


def nals_of(packet):
    return [nal for nal in bytes(packet).split(START) if nal]


@pytest.mark.parametrize("size", [200, 700, 1386])
def test_pictures_are_whole_and_after_the_first_ones_at_once(sent, size):
    codec, pictures = sent
    found = list(assembled(codec, payloads(codec, pictures, size)))
    assert len(found) >= len(pictures) - 1
    for (number, whole), nals in zip(found, pictures, strict=False):
        assert nals_of(whole) == nals
        assert whole.pts in (number, number - 1)
    late = [whole.pts for number, whole in found if whole.pts != number]
    # A last fragment that is as long as all others cannot be told from them.
    assert len([pts for pts in late if pts > 6]) <= 2


def test_key_frames_are_known(sent):
    codec, pictures = sent
    found = [whole for _, whole in assembled(codec, payloads(codec, pictures, 500))]
    assert [whole.pts for whole in found if whole.is_keyframe] == [0, 20]


def test_what_comes_out_can_be_decoded(sent):
    codec, pictures = sent
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    shown = []
    for _, whole in assembled(codec, payloads(codec, pictures, 900)):
        shown += [frame.pts for frame in decoder.decode(whole) if not frame.is_corrupt]
    assert shown == list(range(len(shown)))
    assert len(shown) >= len(pictures) - 2


def test_joining_in_the_middle_of_a_picture_loses_that_one_only(sent):
    codec, pictures = sent
    parts = list(payloads(codec, pictures, 200))
    middle = next(i for i, (data, _, n) in enumerate(parts) if n == 20 and data[:4] != START)
    found = [whole.pts for _, whole in assembled(codec, parts[middle:])]
    assert found[-10:] == list(range(found[-1] - 9, found[-1] + 1))
    assert found[-1] >= len(pictures) - 2
    assert min(found) in (20, 21), "only its end came"


def test_a_stream_whose_slices_vary_is_awaited():
    """Six pictures of one slice, then some of three: at most one is guessed wrongly."""
    one, three = stream("h264", 1), stream("h264", 3)
    pictures = one[:10] + three[10:]
    found = [nals_of(whole) for _, whole in assembled("h264", payloads("h264", pictures, 300))]
    wrong = [nals for nals in found if nals not in pictures]
    assert len(wrong) <= 2, "one picture in two parts"
    assert found[-20:] == pictures[-21:-1]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.integers(0, 3)), max_size=60))
def test_rubbish_does_no_harm(parts):
    for codec in ("h264", "hevc"):
        mixed = [(START + data if begins else data, pts, 0) for data, begins, pts in parts]
        total = sum(len(data) for data, _, _ in mixed)
        assert sum(len(bytes(whole)) for _, whole in assembled(codec, mixed)) <= total


def test_lost_payloads_break_one_picture_and_no_other(sent):
    codec, pictures = sent
    rng = np.random.default_rng(3)
    parts = list(payloads(codec, pictures, 300))
    hurt = {number for data, _, number in parts if rng.random() < 0.02}
    kept = [p for p in parts if p[2] not in hurt or rng.random() < 0.7]
    found = {whole.pts: nals_of(whole) for _, whole in assembled(codec, kept)}
    for number, nals in enumerate(pictures[:-1]):
        if number not in hurt and number in found:
            # What came before a lost slice, parameters mostly, comes with the next picture.
            assert found[number][-len(nals) :] == nals
