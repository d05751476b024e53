"""GStreamer: one pipeline a camera that drops all but the newest picture; one loop in turn.

Runs under the system's Python, which has the bindings.
"""

import time

import numpy as np
from job import Log, arguments, job

args = arguments()
work = job(args.job)  # before the bindings: OpenVINO ends the process when it comes second

import gi  # noqa: E402

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401

Gst.init(None)
log = Log(args, Gst.version_string())
sinks = []
for url in args.urls:
    pipeline = Gst.parse_launch(
        f"rtspsrc location={url} protocols=tcp latency=0 ! rtph264depay ! h264parse ! "
        "avdec_h264 max-threads=1 ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink name=out max-buffers=1 drop=true sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sinks.append((pipeline, pipeline.get_by_name("out")))
while not log.over:
    idle = True
    for camera, (_, sink) in enumerate(sinks):
        sample = sink.try_pull_sample(0)
        if sample is None:
            continue
        idle = False
        form = sample.get_caps().get_structure(0)
        shape = (form.get_value("height"), form.get_value("width"), 3)
        buffer = sample.get_buffer()
        whole, data = buffer.map(Gst.MapFlags.READ)
        if whole:
            picture = np.frombuffer(data.data, np.uint8)[: shape[0] * shape[1] * 3].reshape(shape)
            work(picture)
            log.add(camera, picture[:, :, 1])
            buffer.unmap(data)
    if idle:
        time.sleep(0.002)
log.finish()
