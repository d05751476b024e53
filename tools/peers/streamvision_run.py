"""streamvision, and with ``--inference`` Roboflow inference: ``InferencePipeline`` with its own
logic, in the mode that its documentation recommends for live streams (the default)."""

import sys
from importlib import metadata

package = "inference" if "--inference" in sys.argv else "streamvision"
sys.argv = [arg for arg in sys.argv if arg != "--inference"]
from job import Log, arguments, job  # noqa: E402

if package == "inference":
    from inference import InferencePipeline
else:
    from streamvision.stream.pipeline import InferencePipeline

args = arguments()
work, log = job(args.job), Log(args, metadata.version(package))


def on_frames(frames):
    return [work(frame.image) for frame in frames]


def on_results(_results, frames):
    for frame in frames if isinstance(frames, list) else [frames]:
        if frame is not None:
            log.add(frame.source_id or 0, frame.image[:, :, 1])
    if log.over:
        log.finish()


pipeline = InferencePipeline.init_with_custom_logic(
    video_reference=args.urls, on_video_frame=on_frames, on_prediction=on_results
)
pipeline.start(use_main_thread=False)
pipeline.join()
log.finish()
