"""The process that serves: `threadline serve`, with events of its own where asked for.

python -m benchmark.window_child FOLDER EVENTS_A_SECOND
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from itertools import count
from pathlib import Path

from engines.packs import open_packs
from pipeline.cli.errors import start_logging
from pipeline.cli.serve import run_service
from pipeline.cli.settings import read_settings
from pipeline.files import reserved
from pipeline.ids import Ids
from pipeline.types import Event, Moment
from pipeline.web.service import Asked, Service
from pipeline.web.serving import Address

#: Events that were taken, in the folder of the results.
TAKEN = "taken.json"


def feed(service: Service, rate: float, taken: list[str]) -> None:
    """People who come and go, until the service ends; ids of their events as they are taken."""
    while not hasattr(service.runner, "outlets"):  # it is being opened
        time.sleep(0.1)
    ids, run = Ids(), service.runner.id
    for number in count(1):
        now = time.time()
        moment, visit = Moment("fed", number, float(number), now), ids.next(now)
        for name in ("entered", "left"):
            event = Event(name, moment, number, id=ids.next(now), run=run, visit=visit)  # type: ignore[arg-type]
            if service.runner.outlets.journaling.put([event]):
                taken.append(event.id)
        if service.stopping.wait(2 / rate):
            return


def main() -> None:
    folder, rate = Path(sys.argv[1]), float(sys.argv[2])
    start_logging()
    registry, taken = open_packs(None), list[str]()
    settings = read_settings(folder / "settings.yaml", registry, {})
    with reserved(folder):
        service = Service(Asked(settings, folder, registry))
        feeding = threading.Thread(target=feed, args=(service, rate, taken), daemon=True)
        if rate:
            feeding.start()
        run_service(service, Address(port=0))
    (folder / TAKEN).write_text(json.dumps(taken))
    os._exit(0)


if __name__ == "__main__":
    main()
