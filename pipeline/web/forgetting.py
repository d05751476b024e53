"""People forgotten while a run goes on, by the threads that write the store and the journal."""

from __future__ import annotations

import uuid

from pipeline.errors import StoreError
from pipeline.store.forgetting import Request
from pipeline.store.query import Query
from pipeline.store.requests import ask
from pipeline.store.visits import Visit
from pipeline.web.accounts import ConflictError
from pipeline.web.service import Service


def forget_one(service: Service, one: Visit, counts: bool) -> None:
    """Forget a visit everywhere.

    Raises:
        ConflictError: the person is still there: what is seen next would be kept again.
        StoreError: it could not be done now.
    """
    name = str(uuid.UUID(bytes=one.name))
    _, in_view = _done(service, Request(Query(), name, counts))
    if in_view:
        raise ConflictError("still in front of the camera; forget them once they have left")


def forget_all(service: Service, query: Query, counts: bool) -> tuple[int, int]:
    """Forget what a query finds, everywhere; how many are gone, and how many stayed since they are
    in view. StoreError as of ``forget_one``."""
    return _done(service, Request(query, counts=counts))


def _done(service: Service, request: Request) -> tuple[int, int]:
    if not service.asked.config.store.enabled:
        raise StoreError("the store is switched off in the settings: store: false")
    answer = ask(service.out, request, service.stopping.is_set)
    if answer is None:
        raise StoreError("the store cannot be written now; try again later")
    return answer
