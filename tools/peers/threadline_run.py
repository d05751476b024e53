"""Threadline, with its default settings."""

import tempfile
import time
from pathlib import Path

from benchmark.numbers import strip
from benchmark.sinks import Listener
from job import Log, arguments

import pipeline
from pipeline.flow.runner import Runner
from pipeline.people.detect import DetectStage
from pipeline.settings.schema import make_config

args = arguments()
log = Log(args, pipeline.__version__)
ids = {f"cam{i}": i for i in range(len(args.urls))}
slow = args.job.startswith("sleep")
# A slow model is given small pictures.
excluded = strip(640, 360) if slow or args.mains else strip(1920, 1080)
streams = [
    {"url": main, "sub": url} if main else {"url": url}
    for main, url in zip(args.mains or [""] * len(args.urls), args.urls, strict=True)
]


class Watch(Listener):
    def write(self, tagged):
        # With a slow model only pictures it saw count.
        if not slow or tagged.decision == "detect":
            log.add(ids[tagged.frame.source], tagged.frame.planes.y)


def slowed(engine, seconds):
    """A model that takes so long and no more: what it found in the first picture."""
    infer, known = engine.infer, {}

    def wait(inputs):
        shape = inputs["images"].shape
        known[shape] = known.get(shape) or {k: v.copy() for k, v in infer(inputs).items()}
        time.sleep(seconds)
        return known[shape]

    engine.infer = wait


settings = {
    "cameras": [
        {**stream, "id": f"cam{i}", "exclude": [excluded]} for i, stream in enumerate(streams)
    ],
    "outputs": {"video": False},
}
if slow:
    settings["person"] = {"parts": False, "interval_s": 0.0}
    settings["motion"] = {"threshold": 0.0}
    settings["garments"] = {"enabled": False}
with tempfile.TemporaryDirectory() as folder:
    with Runner(make_config(**settings), Path(folder), (Watch(),)) as runner:
        if slow:
            [detector] = [stage for stage in runner.stages.every if stage.name == DetectStage.name]
            slowed(detector.engine, float(args.job.split(":")[1]))
        runner.start()
        time.sleep(args.seconds)
        runner.stop()
    log.finish()
