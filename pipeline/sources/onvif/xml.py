"""XML that nobody has checked, by local names: cameras spell namespaces in many ways."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from xml.etree.ElementTree import Element, ParseError

from pipeline.errors import ConfigError, SourceError

#: Bytes of an answer at most.
MOST_BYTES = 256_000
#: Characters of a name that are kept.
_MOST_NAME = 100


def parsed(content: bytes, where: str) -> Element:
    """What was answered; without entities, which could multiply or read files.

    Raises:
        ConfigError: what reads it is not installed.
        SourceError: it is none.
    """
    if find_spec("defusedxml") is None:
        raise ConfigError("finding cameras needs defusedxml: pip install 'threadline[onvif]'")
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(content) > MOST_BYTES:
        raise SourceError(f"{where}: answers with more than a camera has to say; check the address")
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise SourceError(f"{where}: answers with no ONVIF; check the address") from None
    return root


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def every(root: Element, name: str) -> Iterator[Element]:
    """All elements of a local name, in order."""
    return (element for element in root.iter() if local(element) == name)


def text(root: Element | None, *path: str) -> str:
    """The text of the first element on a path of local names; empty where there is none."""
    for name in path:
        root = None if root is None else next(every(root, name), None)
    return "" if root is None else (root.text or "").strip()


def number(root: Element, *path: str) -> float:
    """The number at a path, 0 where there is none."""
    try:
        found = float(text(root, *path))
    except ValueError:
        return 0.0
    return found if 0 <= found < 1e6 else 0.0


def plain(name: str) -> str:
    """A name that somebody else chose, fit to be shown."""
    return "".join(letter for letter in name if letter.isprintable())[:_MOST_NAME]
