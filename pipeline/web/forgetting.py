"""People forgotten while a run goes on: by the threads that write the store and the journal."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from typing import Any

from pipeline.errors import StoreError
from pipeline.store.forgetting import Unwanted, forget, forget_visit
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.visits import Visit
from pipeline.web.accounts import ConflictError
from pipeline.web.service import Service

#: Seconds to wait for the thread that writes the store: for one person, for many.
_ONE_S = 15.0
_MANY_S = 300.0


def forget_one(service: Service, one: Visit, counts: bool) -> None:
    """Forget a visit everywhere.

    Raises:
        ConflictError: the person is still there: what is seen next would be kept again.
        StoreError: it could not be done now.
    """
    if one.open and one.run == service.runner.id:
        raise ConflictError("still in front of the camera; forget them once they have left")
    name, journal = str(uuid.UUID(bytes=one.name)), _journal(service)
    _done(service, lambda s: forget_visit(s, service.out, name, counts, journal), _ONE_S)


def forget_all(service: Service, query: Query, counts: bool) -> int:
    """Forget what a query finds, everywhere; how many visits. StoreError as of ``forget_one``."""
    journal = _journal(service)
    return _done(service, lambda s: forget(s, service.out, query, counts, journal), _MANY_S)


def _journal(service: Service) -> Callable[[Unwanted], Any]:
    journaling = service.runner.outlets.journaling
    return lambda unwanted: journaling.forget(unwanted).result(_ONE_S)


def _done(service: Service, work: Callable[[Store], int], most_s: float) -> int:
    if service.runner.store is None:
        raise StoreError("the store is switched off in the settings: store: false")
    answer = service.runner.store.ask(work)
    try:
        return answer.result(most_s)
    except LateError:
        answer.cancel()
        raise StoreError("the store cannot be written now; try again later") from None
