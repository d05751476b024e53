"""The login inside of a URL, also where its characters should have been escaped and are not."""

from __future__ import annotations

import re
from urllib.parse import quote

#: Host and port with which the rest of a URL begins.
_HOST = re.compile(r"(\[[^\]\s]*\]|[^\s/?#:@\[\]]+)(?::(\d*))?(?=[/?#\s]|$)")
_NUMBERS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[.*\]|localhost")
_URL = re.compile(r"\s*([A-Za-z][\w+.-]*)://(\S.*?)\s*", re.DOTALL)
#: What may stand in a login as it is.
_ESCAPED = re.compile(r"(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_QUERY = re.compile(r"[?&;][\w.-]+=")
#: How surely something is a host: little else looks like a name with a dot, nothing like numbers.
NAME = 1
DOTTED = 2
NUMBERS = 3


def _certainty(rest: str, at: int) -> int:
    """How surely a host begins at a place of a URL."""
    host = _HOST.match(rest, at)
    if host is None:
        return 0
    if _NUMBERS.fullmatch(host.group(1)):
        return NUMBERS
    return DOTTED if "." in host.group(1).strip(".") else NAME


def login_end(rest: str, hide: bool = False) -> int:
    """Where the login of a URL ends: the index of its ``@``, -1 if it has none.

    A password that holds ``/``, ``?`` or ``#`` cuts a URL short. That is seen by what would be no
    port, or, where both ways to read it are possible, by what looks like a host only there.

    Args:
        rest: what follows ``://``.
        hide: in doubt, whatever may be a login is one.
    """
    cut = re.search(r"[/?#]|$", rest)
    short = cut.start() if cut else len(rest)
    near, far = rest.rfind("@", 0, short), -1
    for place in (at for at in range(short, len(rest)) if rest[at] == "@"):
        better = _certainty(rest, place + 1) >= _certainty(rest, far + 1)
        if far < 0 or (better and not _QUERY.search(rest, far, place)):
            far = place
    if not short or far < 0:
        return near if short else -1
    sure = _certainty(rest, far + 1)
    if near >= 0:
        told = hide or (sure >= DOTTED and not _QUERY.search(rest, near, far))
        return far if told and _certainty(rest, near + 1) <= NAME else near
    host = _HOST.match(rest)
    if host is None:  # what follows the colon is no port
        return far
    if host.group(2) is None or _certainty(rest, 0) > NAME:
        return -1
    return far if sure >= (NUMBERS if host.group(2) and not hide else DOTTED) else -1


def escaped(text: str) -> str:
    """A user name or password as it may stand in a URL; one that can as it is stays, and so does
    what is escaped already."""
    if _ESCAPED.fullmatch(text):
        return text
    return quote(text, safe="", errors="surrogateescape")  # bytes of the environment


def escaped_login(text: str) -> str:
    """The same for both, with the colon between them."""
    user, colon, password = text.partition(":")
    return escaped(user) + colon + escaped(password)


def login_span(location: str) -> range:
    """Places of the login within a URL; empty where there is none."""
    begin = location.find("://") + len("://")
    end = login_end(location[begin:]) if begin >= len("://") else -1
    return range(begin, begin + end) if end >= 0 else range(0)


def tidy(location: str) -> str:
    """A path as it is; a URL with its scheme in small letters and its login escaped."""
    url = _URL.fullmatch(location)
    if url is None:
        return location
    scheme, rest = url.groups()
    end = login_end(rest)
    login = escaped_login(rest[:end]) if end >= 0 else ""
    return f"{scheme.lower()}://{login}{rest[max(end, 0) :]}"


def without_login(text: str) -> str:
    """A text without the login of any URL in it; in doubt, with less of the URL."""

    def shown(match: re.Match[str]) -> str:
        rest = match.group()
        return rest[login_end(rest, hide=True) + 1 :]

    return re.sub(r"(?<=://)(?:(?!\w://)\S)+", shown, text)
