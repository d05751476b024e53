"""People forgotten while a run goes on, by the thread that writes the store."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import TimeoutError as LateError

from pipeline.errors import StoreError
from pipeline.store.forgetting import Forgetting, Request
from pipeline.store.protocol import Store
from pipeline.store.query import Query
from pipeline.store.requests import LATE_S
from pipeline.store.visits import Visit
from pipeline.web.accounts import ConflictError
from pipeline.web.service import Service

#: Seconds to wait for the thread that writes the store: for one person, for many.
_ONE_S = 30.0
_MANY_S = 300.0


def forget_one(service: Service, one: Visit, counts: bool) -> None:
    """Forget a visit everywhere.

    Raises:
        ConflictError: the person is still there: what is seen next would be kept again.
        StoreError: it could not be done now.
    """
    name = str(uuid.UUID(bytes=one.name))
    if _done(service, Request(Query(), name, counts), _ONE_S).in_view:
        raise ConflictError("still in front of the camera; forget them once they have left")


def forget_all(service: Service, query: Query, counts: bool) -> Forgetting:
    """Forget what a query finds, everywhere; how many are gone, and how many stayed since they are
    in view. StoreError as of ``forget_one``."""
    return _done(service, Request(query, counts=counts), _MANY_S)


def _done(service: Service, request: Request, most_s: float) -> Forgetting:
    sink = service.runner.store
    if sink is None:
        raise StoreError("the store is switched off in the settings: store: false")

    def work(store: Store) -> Forgetting:
        forgetting = Forgetting(store, service.out, request, service.runner.id)
        for _ in forgetting.steps(sink.journal):
            pass
        return forgetting

    answer = sink.ask(work)
    try:
        forgetting = answer.result(most_s)
    except LateError:
        answer.cancel()
        raise StoreError("the store cannot be written now; try again later") from None
    # What outlets had in hand is on the disk by then.
    late = threading.Timer(LATE_S, lambda: sink.ask(lambda store: forgetting.files()))
    late.daemon = True
    late.start()
    return forgetting
