"""trio-retina: its latest-frame reader, one thread a camera, as it is a single-stream library."""

import threading
from importlib import metadata

from job import Log, arguments, job
from retina import Retina
from retina.sources import video_frames

args = arguments()
work, log = job(args.job), Log(args, metadata.version("trio-retina"))
lock = threading.Lock()


def watch(camera, url):
    def detect(picture):
        with lock:  # one model for all cameras
            work(picture)
        log.add(camera, picture[:, :, 1])
        if log.over:
            log.finish()
        return []

    for _event in Retina(source_id=str(camera), detector=detect, rules=[]).run(video_frames(url)):
        pass


threads = [threading.Thread(target=watch, args=pair, daemon=True) for pair in enumerate(args.urls)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
log.finish()
