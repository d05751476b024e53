"""Numbers of visits: tenths of a second of the beginning * 64 + n. They rise with time, also when
old recordings come later, so a range of time is a range of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, select

from pipeline.store.schema import visit
from pipeline.store.visits import Visit

_PER_TENTH = 64
#: Tenths of a second asked for at once, as one range.
_NEAR = 600


def first_of(ms: int) -> int:
    """The lowest number of what begins at a time, or later."""
    return ms // 100 * _PER_TENTH


def moment_of(visit: int) -> int:
    """When a visit of this number began, to the tenth of a second, milliseconds."""
    return visit // _PER_TENTH * 100


def numbered(connection: Connection, new: Sequence[Visit]) -> None:
    """Give visits numbers that nobody has. What finds its tenth full gets one of the next."""
    tenths = sorted({one.began // 100 for one in new})
    used: set[int] = set()
    begin = None
    for i, tenth in enumerate(tenths):
        begin = tenth if begin is None else begin
        if i + 1 == len(tenths) or tenths[i + 1] - tenth > _NEAR:
            span = visit.c.id.between(begin * _PER_TENTH, (tenth + _NEAR) * _PER_TENTH)
            used |= set(connection.execute(select(visit.c.id).where(span)).scalars())
            begin = None
    next_: Counter[int] = Counter()
    for one in new:
        tenth = one.began // 100
        id_ = max(tenth * _PER_TENTH, next_[tenth])
        while id_ in used:
            id_ += 1
        one.id = id_
        used.add(id_)
        next_[tenth] = id_ + 1
