"""streamvision, and with ``--inference`` Roboflow inference: ``InferencePipeline`` with its own
logic, in the mode that its documentation recommends for live streams (the default)."""

import sys
from importlib import metadata

package = "inference" if "--inference" in sys.argv else "streamvision"
sys.argv = [arg for arg in sys.argv if arg != "--inference"]
from job import Log, arguments, job  # noqa: E402

#: Operators of torchvision, which its PyPI build brings for CUDA only; nothing here uses them, but
#: the package does not start without.
OPERATORS = (
    "nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"
)  # fmt: skip

if package == "inference":
    import torch

    absent = torch.library.Library("torchvision", "DEF")
    for operator in OPERATORS:
        absent.define(f"{operator}(Tensor x) -> Tensor")
        absent.define(f"_{operator}_backward(Tensor x) -> Tensor")
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
