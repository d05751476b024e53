"""mesopic: its loop and ByteTrack, a process a camera as its supervisor starts them, at the five
frames a second that its settings begin with."""

import json
from importlib import metadata
from multiprocessing import Process

from job import Log, arguments, job
from mesopic.ingest.rtsp import RtspFrameSource
from mesopic.sampler.sampler import FrameSampler
from mesopic.spike import run_spike
from mesopic.tracker.bytetrack import ByteTrackTracker


class Detector:
    def __init__(self, args, camera):
        self._work = job(args.job)
        self._log, self._camera = Log(args, metadata.version("mesopic")), camera

    def detect(self, frame):
        self._work(frame.image)
        self._log.add(self._camera, frame.image[:, :, 1])
        if self._log.over:
            self._log.finish()
        return []

    def close(self):
        pass


def watch(args, camera, url, out):
    args.out = out
    source, sampler = RtspFrameSource(str(camera), url), FrameSampler(target_fps=5.0)
    detector = Detector(args, camera)
    for _line in run_spike(
        source=source, sampler=sampler, detector=detector, tracker=ByteTrackTracker()
    ):
        pass


if __name__ == "__main__":
    args = arguments()
    outs = [args.out.with_suffix(f".{camera}") for camera in range(len(args.urls))]
    cameras = [
        Process(target=watch, args=(args, camera, url, out))
        for camera, (url, out) in enumerate(zip(args.urls, outs, strict=True))
    ]
    for camera in cameras:
        camera.start()
    for camera in cameras:
        camera.join()
    parts = [json.loads(out.read_text()) for out in outs if out.exists()]
    figures = {
        "version": metadata.version("mesopic"),
        "results": [result for part in parts for result in part["results"]],
        "cores": sum(part["cores"] for part in parts),
        "memory, MB": sum(part["memory, MB"] for part in parts),
    }
    args.out.write_text(json.dumps(figures))
