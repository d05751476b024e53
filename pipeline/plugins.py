"""What other packages add: Python entry points, read only when somebody asks for them."""

from __future__ import annotations

import logging
from importlib import metadata
from typing import TypeVar

log = logging.getLogger("threadline.plugins")

T = TypeVar("T")


def additions(group: str, kind: type[T]) -> dict[str, T]:
    """Name -> what installed packages offer in a group of entry points.

    One that cannot be loaded, or is not a ``kind``, is left out with one warning.
    """
    found: dict[str, T] = {}
    for point in metadata.entry_points(group=group):
        try:
            offered = point.load()
        except Exception as error:  # somebody else's code may fail in any way
            log.warning("%s '%s' is not used: %s: %s", group, point.name, point.value, error)
            continue
        if isinstance(offered, kind):
            found[point.name] = offered
        else:
            log.warning(
                "%s '%s' is not used: %s is no %s", group, point.name, point.value, kind.__name__
            )
    return found
