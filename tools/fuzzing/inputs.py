"""Hypothesis' strategies for bytes: good inputs damaged, and shapes that damage hardly finds."""

from __future__ import annotations

import struct
from typing import Any

import yaml
from hypothesis import strategies as st

Strategy = st.SearchStrategy[bytes]

#: Numbers at which readers go wrong.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@st.composite
def damaged(draw: Any, seeds: list[bytes]) -> bytes:
    """A good input, changed in a few places; sometimes nothing but noise."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["change", "number", "cut", "insert", "repeat", "drop", "join"]))
        if how == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif how == "number":
            size, order = draw(
                st.sampled_from([(1, "B"), (2, ">H"), (4, ">I"), (2, "<H"), (4, "<I")])
            )
            number = draw(st.sampled_from(EDGES)) & (256**size - 1)
            data[at : at + size] = struct.pack(order, number)
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif how == "repeat":
            end = min(at + draw(st.integers(1, 40)), len(data))
            data[at:at] = bytes(data[at:end]) * draw(st.integers(1, 30))
        elif how == "drop":
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:] = draw(st.sampled_from(seeds))[-draw(st.integers(1, 60)) :]
    return bytes(data)


def some_text(seeds: list[bytes]) -> Strategy:
    """Texts of the letters that mean something in URLs, paths and on screens."""
    meant = st.sampled_from(
        [*"/\\:@?#[]%&=.|-_ ~$*{}()\t\n\x1b\x07\u202e\udcff", "://", "..", "[/]", "rtsp"]
    )
    letters = st.one_of(meant, st.characters(codec=None))
    text = st.lists(letters, max_size=60).map("".join)
    return st.one_of(
        text.map(lambda t: t.encode("utf-8", "surrogatepass")),
        damaged(seeds),
        st.binary(max_size=99),
    )


def settings_texts(seeds: list[bytes]) -> Strategy:
    """Settings of known and unknown keys with values of any kind."""
    from pipeline.settings.schema import schema

    names = ["cameras", "url", "id", "password", "user", "include", "exclude", "far", "x", ""]
    for name, field in schema().model_fields.items():
        names.append(name)
        names += list(getattr(field.annotation, "model_fields", {}))
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.sampled_from(["auto", "${HOME}", "${A:-b}", "${NOT_SET}", "rtsp://h/s", "a.mp4"]),
    )  # fmt: skip
    keys = st.one_of(st.sampled_from(names), st.text(max_size=8))
    tree = st.recursive(
        plain,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(keys, inner, max_size=5),
        ),
        max_leaves=25,
    )
    top = st.dictionaries(st.sampled_from(names), tree, max_size=6)
    written = st.tuples(top, st.booleans()).map(
        lambda pair: yaml.safe_dump(pair[0], default_flow_style=pair[1], allow_unicode=True).encode(
            "utf-8", "surrogatepass"
        )
    )
    return st.one_of(written, damaged(seeds))


def svg_texts(seeds: list[bytes]) -> Strategy:
    """Small drawings of nested and odd elements."""
    number = st.sampled_from(["0", "1", "-5", "9e9", "1e-30", "nan", "100%", "", "1e400"])
    name = st.sampled_from(
        ["g", "rect", "path", "use", "text", "clipPath", "mask", "pattern", "filter",
         "feTurbulence", "feGaussianBlur", "linearGradient", "image", "svg", "symbol",
         "marker", "circle", "style"]
    )  # fmt: skip
    value = st.one_of(number, st.sampled_from(["url(#a)", "#a", "#b", "M0 0L9 9z", "red", "none"]))
    key = st.sampled_from(
        ["id", "href", "xlink:href", "x", "y", "width", "height", "d", "fill", "stroke", "mask",
         "clip-path", "filter", "transform", "viewBox", "stdDeviation", "r", "stroke-width"]
    )  # fmt: skip
    head = st.tuples(name, st.dictionaries(key, value, max_size=5))

    def element(parts: Any) -> str:
        (kind, given), inner = parts
        shown = " ".join(f'{k}="{v}"' for k, v in given.items())
        return f"<{kind} {shown}>{''.join(inner)}</{kind}>"

    tree = st.recursive(
        st.just(""),
        lambda inner: st.tuples(head, st.lists(inner, max_size=4)).map(element),
        max_leaves=20,
    )
    begin = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    drawn = st.lists(tree, max_size=4).map(lambda inner: f"{begin}{''.join(inner)}</svg>".encode())
    return st.one_of(drawn, damaged(seeds))


def payloads(seeds: list[bytes]) -> Strategy:
    """Payloads of an RTSP camera, lost and doubled ones, with headers of every kind of NAL unit."""
    head = st.binary(min_size=0, max_size=4)
    payload = st.tuples(head, st.integers(0, 40), st.integers(0, 1), st.integers(0, 3))

    def packed(rows: Any) -> bytes:
        return b"".join(
            struct.pack(">HBB", len(h) + n, begins, pts) + h + bytes(n)
            for h, n, begins, pts in rows
        )

    made = st.tuples(st.sampled_from([b"\0", b"\xff"]), st.lists(payload, max_size=60))
    return st.one_of(made.map(lambda pair: pair[0] + packed(pair[1])), damaged(seeds))
