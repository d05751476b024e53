"""SVG files nobody has checked: read with a list of what is allowed, then drawn apart.

What is on no list is left out (metadata, filters, animations, what editors add); what would run, or
is somewhere else (scripts, other files, entities), is refused: the mark would not look as its maker
meant. So is what multiplies itself. What only draws shapes is drawn here; all else, in a process
with limits of time and memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, tostring
from xml.parsers import expat

from pipeline.tagging.logos.drawing import draw
from pipeline.tagging.logos.svg_apart import SvgError, apart, lettered

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
#: Most elements, once every reference is followed; most ``use``; and how deep they may be nested.
MOST_ELEMENTS = 20_000
MOST_USES = 24
MOST_DEPTH = 100
#: Most characters of what draws only shapes and is drawn here.
MOST_PLAIN = 500_000
#: Elements that draw a shape, group shapes, or colour them.
_SHAPES = (
    "svg g a switch defs path rect circle ellipse line polyline polygon linearGradient "
    "radialGradient stop style"
)
SHAPES = frozenset(_SHAPES.split())
#: Elements that refer to others, repeat them, or hold something of another kind.
_MORE = "symbol use clipPath mask pattern marker text tspan textPath image"
MORE = frozenset(_MORE.split())
#: Elements without which the mark would not be what its maker meant.
_REFUSED = "script foreignObject iframe object embed"
REFUSED = frozenset(_REFUSED.split())
#: Attributes that are kept: geometry, and how things are painted.
_ATTRIBUTES = (
    "id class style transform d x y x1 y1 x2 y2 cx cy r rx ry fx fy fr width height points "
    "viewBox preserveAspectRatio offset gradientUnits gradientTransform spreadMethod clipPathUnits "
    "maskUnits maskContentUnits mask-type patternUnits patternContentUnits patternTransform "
    "markerUnits markerWidth markerHeight orient refX refY pathLength color fill fill-opacity "
    "fill-rule clip-path clip-rule mask marker marker-start marker-mid marker-end opacity stroke "
    "stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray "
    "stroke-dashoffset stop-color stop-opacity display visibility overflow paint-order "
    "shape-rendering vector-effect mix-blend-mode isolation dx dy rotate textLength lengthAdjust "
    "startOffset font font-family font-size font-style font-weight font-variant font-stretch "
    "letter-spacing word-spacing text-anchor text-decoration dominant-baseline alignment-baseline "
    "baseline-shift writing-mode"
)
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
#: Pixels of a unit of length.
UNITS = (
    ("px", 1.0),
    ("pt", 4 / 3),
    ("pc", 16.0),
    ("mm", 96 / 25.4),
    ("cm", 96 / 2.54),
    ("in", 96.0),
)
_URL = re.compile(r"""url\(\s*(["']?)\s*(.*?)\s*\1\s*\)""", re.S)
_DATA = re.compile(r"data:(?:image|img)/(?:png|jpe?g|gif|webp)[;,]", re.I)
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}", re.I)
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
#: A name of what elements are of, as editors write it once and refer to.
_NAMESPACE = re.compile(r"https?://[\w./-]{1,60}")
_NUMBER = re.compile(r"\s*\+?(\d*\.?\d+(?:e[+-]?\d+)?)\s*([a-z]*)\s*", re.I)


@dataclass(slots=True)
class _Reader:
    """Builds the tree of what is allowed while expat reads."""

    root: Element | None = None
    stack: list[Element] = field(default_factory=list)
    skipped: int = 0
    elements: int = 0
    uses: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        self.elements += 1
        if tag in REFUSED:
            raise _refused(f"<{tag}>")
        self.uses += tag == "use"
        if self.elements > MOST_ELEMENTS or self.uses > MOST_USES:
            raise SvgError("too many elements; simplify it")
        if len(self.stack) + self.skipped > MOST_DEPTH:
            raise SvgError("too many elements inside each other; simplify it")
        if self.skipped or space not in ("", SVG) or tag not in SHAPES | MORE:
            self.skipped += 1
            return
        element = Element(tag, _kept(tag, attributes))
        if self.stack:
            self.stack[-1].append(element)
        elif tag != "svg":
            raise SvgError("cannot be drawn: no SVG")
        else:
            self.root = element
        self.stack.append(element)

    def end(self, name: str) -> None:
        if self.skipped:
            self.skipped -= 1
            return
        element = self.stack.pop()
        if element.tag == "style":
            element.text = _style(element.text or "")

    def text(self, text: str) -> None:
        if self.skipped or not self.stack:
            return
        parent = self.stack[-1]
        if parent.tag not in ("style", "text", "tspan", "textPath"):
            return
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text


def drawn(text: str, side: int) -> bytes:
    """An SVG as PNG, its longer side ``side`` pixels.

    Raises:
        SvgError: it is none, asks for what is not allowed, or takes too much to draw.
    """
    root = parsed(text)
    found = {element.tag for element in root.iter()}
    clean = _packed(root)
    if found <= SHAPES and len(clean) <= MOST_PLAIN:
        try:
            return draw(clean, side, False)
        except ValueError as error:
            raise SvgError(f"cannot be drawn: {error}") from None
    if "text" not in found:
        return apart(clean, side, False)
    return lettered(clean, _packed(_without_text(root)), side)


def letters_of(text: str) -> str:
    """An SVG with nothing in it but what is allowed, if it holds text; else nothing.

    Raises:
        SvgError: as ``parsed``.
    """
    root = parsed(text)
    return _packed(root) if any(element.tag == "text" for element in root.iter()) else ""


def parsed(text: str) -> Element:
    """The root of an SVG with nothing in it but what is allowed.

    Raises:
        SvgError: it is none, asks for what is not allowed, or multiplies itself.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = _namespace_only
    parser.ProcessingInstructionHandler = _no_instructions
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise SvgError(f"cannot be drawn: {error}") from None
    if reader.root is None:
        raise SvgError("cannot be drawn: no SVG")
    by_id = {key: element for element in reader.root.iter() if (key := element.get("id"))}
    _count(reader.root, by_id, {}, ())
    _measured(reader.root)
    return reader.root


def _namespace_only(name: str, parameter: bool, value: str | None, *_: object) -> None:
    if parameter or not _NAMESPACE.fullmatch(value or ""):
        raise _refused(f"<!ENTITY {name}")


def _no_instructions(target: str, content: str) -> None:
    if target == "xml-stylesheet":
        raise _refused(f"<?{target}")


def _refused(what: str) -> SvgError:
    return SvgError(
        f"holds {what[:60]!r}: scripts, entities and other files are not followed; "
        "save it as plain SVG"
    )


def _kept(tag: str, attributes: dict[str, str]) -> dict[str, str]:
    """The attributes that are allowed, references checked."""
    found = {}
    for name, value in attributes.items():
        space, _, key = name.rpartition(" ")
        if key == "href" and space in ("", XLINK):
            if not (
                value.strip().startswith("#") or (tag == "image" and _DATA.match(value.strip()))
            ):
                raise _refused(f"href={value.strip()}")
            found["href"] = value.strip().replace("data:img/", "data:image/")
        elif key in ATTRIBUTES and not space:
            found[key] = _checked(value)
    return found


def _checked(value: str) -> str:
    """A value whose ``url()`` are all of this file."""
    for _, target in _URL.findall(value):
        if not target.startswith("#"):
            raise _refused(f"url({target})")
    return value


def _style(text: str) -> str:
    """A style sheet without fonts and comments, which refers to nothing outside."""
    text = _FONT_FACE.sub("", _COMMENT.sub("", text))
    if "@import" in text.casefold():
        raise _refused("@import")
    return _checked(text)


def _count(
    element: Element, by_id: dict[str, Element], known: dict[int, int], within: tuple[int, ...]
) -> int:
    """How many elements are drawn once all references are followed."""
    if id(element) in within or len(within) > MOST_DEPTH:
        raise SvgError("too many elements: some hold themselves; simplify it")
    if id(element) in known:
        return known[id(element)]
    within = (*within, id(element))
    total = 1 + sum(_count(child, by_id, known, within) for child in element)
    for name, value in element.items():
        names = [value] if name == "href" else [target for _, target in _URL.findall(value)]
        for target in names:
            other = by_id.get(target.removeprefix("#"))
            if other is not None:
                total += _count(other, by_id, known, within)
    if total > MOST_ELEMENTS:
        raise SvgError("too many elements, once references are followed; simplify it")
    known[id(element)] = total
    return total


def _measured(root: Element) -> None:
    """Sizes in pixels, whatever they were in: by its view box, the mark is as large as asked."""
    sides = [_length(root.get(name, "")) for name in ("width", "height")]
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    if root.get("viewBox") is None and all(sides):
        root.set("viewBox", f"0 0 {sides[0]} {sides[1]}")


def _length(text: str) -> float:
    """A length in pixels; 0 where it is none, or a share of something unknown."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return 0.0
    return float(found[1]) * dict(UNITS).get(found[2].casefold() or "px", 0.0)


def _without_text(root: Element) -> Element:
    for parent in root.iter():
        for child in [child for child in parent if child.tag == "text"]:
            parent.remove(child)
    return root


def _packed(root: Element) -> str:
    root.set("xmlns", SVG)
    return tostring(root, encoding="unicode")
