"""A stream kept undecoded: what is kept, within which bounds, and what can be decoded of it."""

from __future__ import annotations

from contextlib import nullcontext

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import CLIP, encode, picture

from pipeline.sources.packets import Encoded, GroupDecoder, PacketStore

MOST_BYTES, MOST_S = 1000, 5.0


def packet(key: bool, size: int, stamp: float) -> Encoded:
    return Encoded(None, key, size, stamp, stamp)


@given(
    st.lists(
        st.tuples(st.integers(0, 9).map(lambda n: n == 0), st.integers(0, 400), st.floats(0, 2))
    )
)
def test_the_store_holds_the_last_group_without_a_gap_and_within_bounds(packets):
    store, came, now = PacketStore(MOST_BYTES, MOST_S), [], 0.0
    for key, size, step in packets:
        now += step
        came.append(packet(key, size, now))
        store.add(came[-1])
        group = list(store.group)
        assert store.size == sum(one.size for one in group) <= MOST_BYTES
        if group:
            first = came.index(group[0])
            assert group[0].key
            assert group == came[first : first + len(group)], "no gap"
            assert group[-1].stamp - group[0].stamp <= MOST_S
            assert not any(one.key for one in came[first + 1 :]), "the last key frame"
    begun = next((i for i, one in enumerate(came) if one.key), len(came))
    groups: list[int] = []
    for one in came[begun:]:
        if one.key:
            groups.append(0)
        groups[-1] += 1
    replaced = sum(groups[:-1])
    assert store.dropped <= len(came) - begun
    assert store.dropped + len(store.group) + replaced >= len(came) - begun, "every drop counted"


def test_what_finds_no_room_is_dropped_up_to_the_next_key_frame():
    store = PacketStore(MOST_BYTES, MOST_S)
    for key, size in ((True, 500), (False, 600), (False, 1), (False, 1)):
        store.add(packet(key, size, 0.0))
    assert len(store.group) == 1
    assert store.dropped == 3, "a small one could not be decoded without the one before"
    store.add(packet(True, 10, 1.0))
    assert [one.size for one in store.group] == [10]


def test_a_key_frame_that_is_too_large_leaves_nothing():
    store = PacketStore(MOST_BYTES, MOST_S)
    store.add(packet(True, 10, 0.0))
    store.add(packet(True, MOST_BYTES + 1, 1.0))
    assert not store.group
    assert store.dropped == 1


def groups(path) -> tuple[list[list[Encoded]], GroupDecoder, dict[int, bytes]]:
    """A file's groups of pictures, what decodes them, and every picture's luma by its stamp."""
    found: list[list[Encoded]] = []
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        decoder = GroupDecoder(stream.codec_context)
        for one in source.demux(stream):
            if one.dts is None:
                continue
            if one.is_keyframe:
                found.append([])
            stamp = float(one.pts * one.time_base)
            found[-1].append(Encoded(one, one.is_keyframe, one.size, stamp, stamp))
    with av.open(str(path)) as source:
        luma = {frame.pts: bytes(frame.planes[0]) for frame in source.decode(video=0)}
    return found, decoder, luma


@pytest.fixture(params=["none", "b-frames"])
def material(request, tmp_path):
    if request.param == "none":
        return groups(CLIP)
    moving = [picture(320, 240, (i * 5 % 255, 90, 255 - i * 5 % 255)) for i in range(50)]
    path = tmp_path / "b.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"x264-params": "bframes=2:b-adapt=0:keyint=10:scenecut=0:open-gop=0"}
        for shown in moving:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        target.mux(stream.encode())
    return groups(path)


def test_a_key_frame_alone_is_what_a_player_would_show(material):
    found, decoder, luma = material
    for group in found[:4]:
        shown, encoded = decoder.decode(group, 1, nullcontext())
        assert encoded is group[0]
        assert bytes(shown.planes[0]) == luma[group[0].packet.pts]


@pytest.mark.parametrize("steps", [(10,), (1, 5, 10), (4, 4, 7)])
def test_from_a_key_frame_forward_and_on_from_there(material, steps):
    found, decoder, luma = material
    group, last = found[1], None
    for count in steps:
        given = decoder.decode(group, count, nullcontext())
        if given is not None:
            shown, encoded = given
            assert bytes(shown.planes[0]) == luma[encoded.packet.pts]
            assert encoded in group[:count]
            last = encoded
    assert last is not None
    assert last.stamp >= group[0].stamp + 0.1 * (steps[-1] - 4), "the newest but for reordering"


def test_what_is_asked_for_twice_is_decoded_once():
    found, decoder, _ = groups(CLIP)
    assert decoder.decode(found[0], 3, nullcontext()) is not None
    assert decoder.decode(found[0], 3, nullcontext()) is None
    assert decoder.decode(found[1], 1, nullcontext()) is not None, "and another group from there"


def test_a_damaged_group_gives_no_picture_and_the_next_one_does():
    found, decoder, _ = groups(CLIP)
    broken = av.Packet(b"\0\0\0\1\x65" + b"\xff" * 200)
    broken.pts = 0
    bad = [Encoded(broken, True, 205, 0.0, 0.0)]
    assert decoder.decode(bad, 1, nullcontext()) is None
    assert decoder.decode(found[1], 1, nullcontext()) is not None


def test_one_picture_alone_is_a_group(tmp_path):
    path = encode(tmp_path / "one.mp4", [picture(64, 48)])
    found, decoder, _ = groups(path)
    assert decoder.decode(found[0], 1, nullcontext()) is not None
