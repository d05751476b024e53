"""CUDA, the kernels, NVDEC and plans on a GPU, against what the processor makes of the same."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest
from host_cuda import HostCuda, compiled
from support import CLIP, encode

from engines import EngineError, EngineUnavailableError
from engines.packs import shipped
from engines.trt.build import Batch
from engines.trt.cuda import PyCuda
from engines.trt.gpu import driver
from engines.trt.library import missing
from engines.trt.plans import Plans
from engines.trt.regions import Nv12, Region, Regions
from pipeline.errors import SourceRefusedError
from pipeline.models.building import PlanRequest, build_plan
from pipeline.picture.nv12 import Nv12Planes, cut
from pipeline.sources import nvdec, open_source
from pipeline.sources.camera import CameraSettings

pytestmark = pytest.mark.skipif(
    driver() is None or not driver().gpus, reason="needs an NVIDIA GPU: make gpu-check"
)
needs_plans = pytest.mark.skipif(bool(missing()), reason=f"no plan can run here: {missing()}")


@pytest.fixture
def cuda():
    found = PyCuda()
    yield found
    found.close()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("size", [1, 1000, 3_110_400])
def test_what_is_copied_there_comes_back(cuda, size):
    sent = noise(size)
    with cuda.current():
        there, back = cuda.allocate(size), cuda.pinned(size)
        cuda.upload(there, sent)
        cuda.download(back, there)
        cuda.wait()
        assert (back == sent).all()
        cuda.free(there)


def test_one_thread_may_open_cuda_another_use_it_and_a_third_close_it():
    made, failures = [], []

    def use():
        with made[0].current():
            there = made[0].allocate(100)
            made[0].upload(there, noise(100))
            made[0].wait()

    def attempt(step):
        try:
            step()
        except Exception as error:
            failures.append(error)

    for step in (lambda: made.append(PyCuda()), use, use, lambda: made[0].close()):
        thread = threading.Thread(target=attempt, args=(step,))
        thread.start()
        thread.join()
    assert failures == []
    made[0].close()  # the second time does nothing


def test_cuda_can_be_opened_over_and_over_beside_one_that_stays(cuda):
    with cuda.current():
        there = cuda.allocate(1000)
        cuda.upload(there, noise(1000))
        cuda.wait()
    for _ in range(20):
        other = PyCuda()
        with other.current():
            other.allocate(1 << 20)
        other.close()
    with cuda.current():
        back = cuda.pinned(1000)
        cuda.download(back, there)
        cuda.wait()
    assert (back == noise(1000)).all()


def test_more_memory_than_there_is_gets_a_line_with_a_remedy(cuda):
    with cuda.current(), pytest.raises(EngineUnavailableError, match="smaller batch"):
        cuda.allocate(1 << 44)
    with pytest.raises(EngineError, match="CUDA"), cuda.current():
        cuda.upload(0, noise(10))


def test_a_kernel_nvcc_refuses_is_named(cuda, tmp_path):
    (tmp_path / "bad.cu").write_text("no kernel")
    with pytest.raises(EngineUnavailableError, match=r"bad\.cu: nvcc"):
        cuda.kernel(tmp_path / "bad.cu", "none")


def test_the_device_computes_what_the_host_computes(tmp_path):
    height, width = 362, 642
    picture = noise(height * 3 // 2, width, seed=1)
    windows = [(0, 0, 642, 362), (100, 50, 300, 350), (-40, -30, 90, 120), (600, 300, 700, 400),
               (7, 9, 8, 10), (900, 900, 950, 950)]  # fmt: skip
    rows = np.array(
        [[1.164, 0, 1.596, -222.9], [1.164, -0.39, -0.81, 135.6], [1.164, 2.02, 0, -276.8]],
        np.float32,
    )
    found = {}
    for where, cuda in (("host", HostCuda(compiled(tmp_path))), ("device", PyCuda())):
        regions = Regions(cuda)
        with cuda.current():
            there = cuda.allocate(picture.nbytes)
            cuda.upload(there, picture)
            cuda.wait()
        place = Nv12(there, there + height * width, width, width, height)
        wanted = [Region(place, window, rows) for window in windows]
        found[where] = [regions(wanted, size) for size in ((160, 320), (33, 7), (512, 288))]
        found[where].append(regions.points(Region(place, (3, 5, 640, 361), rows), 4))
        with cuda.current():
            cuda.free(there)
        regions.close()
    for host, device in zip(found["host"], found["device"], strict=True):
        # The device multiplies and adds in one step, without rounding in between.
        assert np.abs(host.astype(int) - device).max() <= 1


@pytest.fixture
def there():
    """Skips where NVDEC is not to be had."""
    if nvdec.reader() is None:
        pytest.skip("NVDEC cannot be used here: see the warning")


def pictures(path, reader, most=60):
    """The first pictures of a recording, all kept."""
    with open_source(CameraSettings(url=str(path), reader=reader)) as source:
        return [frame.planes for frame in islice(source, most)]


def moving(count, size=(320, 192)):
    """Pictures of something that moves, as encoders like them."""
    y, x = np.mgrid[: size[1], : size[0]]
    return [
        np.stack([(x + 3 * i) % 256, (y + 2 * i) % 256, (x + y) % 256], -1).astype(np.uint8)
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("codec", "form", "size"),
    [("libx264", "yuv420p", (320, 192)), ("libx264", "yuvj420p", (320, 192)),
     ("libx264", "yuv420p", (322, 182)), ("libx265", "yuv420p", (320, 192)),
     ("libvpx-vp9", "yuv420p", (320, 192)), ("mpeg4", "yuv420p", (320, 192))],
)  # fmt: skip
def test_nvdec_gives_the_pictures_ffmpeg_gives(there, tmp_path, codec, form, size):
    path = encode(tmp_path / "clip.mkv", moving(30, size), codec, form)
    ours, right = pictures(path, "nvdec"), pictures(path, "ffmpeg")
    assert len(ours) == len(right) == 30
    for our, wanted in zip(ours, right, strict=True):
        assert isinstance(our, Nv12Planes)
        assert (our.width, our.height) == size
        assert (our.matrix, our.full_range) == (wanted.matrix, wanted.full_range)
        if codec != "mpeg4":  # whose inverse transform decoders may round as they like
            assert (our.y == wanted.y).all()
        apart = np.abs(our.rgb().astype(int) - wanted.rgb())
        assert apart.mean() < 2.5


@pytest.mark.parametrize(
    ("codec", "form"), [("mjpeg", "yuvj420p"), ("libx264", "yuv444p"), ("libx264", "yuv422p")]
)
def test_what_nvdec_does_not_know_the_processor_decodes(there, tmp_path, codec, form):
    path = encode(tmp_path / "clip.mkv", moving(10), codec, form)
    ours, right = pictures(path, "nvdec"), pictures(path, "ffmpeg")
    assert len(ours) == len(right) == 10
    assert np.abs(ours[-1].rgb().astype(int) - right[-1].rgb()).mean() < 2.5


def test_ten_bits_are_refused_with_the_remedy(there, tmp_path):
    path = encode(tmp_path / "clip.mkv", moving(10), "libx265", "yuv420p10le")
    with pytest.raises(SourceRefusedError, match="reader: ffmpeg"):
        pictures(path, "nvdec")


def test_pictures_that_are_kept_stay_what_they_were(there):
    """The decoder has few surfaces of its own; the pipeline may hold more pictures than that."""
    kept, right = pictures(CLIP, "nvdec"), pictures(CLIP, "ffmpeg")
    assert len(kept) == 60
    assert all((ours.y == wanted.y).all() for ours, wanted in zip(kept, right, strict=True))


def test_a_batch_of_pictures_of_two_cameras_is_one_call(there):
    sources = [open_source(CameraSettings(url=str(CLIP), reader="nvdec")) for _ in range(2)]
    with sources[0] as one, sources[1] as two:
        both = [next(iter(source)).planes for source in (one, two)]
        got = cut(both, [(100, 100, 260, 420)] * 2, (160, 320))
    assert (got[0] == got[1]).all()
    assert got.std() > 10


@needs_plans
@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("pack", [p for p in shipped() if not p.twin_of], ids=lambda p: p.name)
def test_every_plan_says_what_its_model_says(tmp_path, pack, precision):
    plans = Plans(tmp_path)
    path = build_plan(PlanRequest(pack, precision, Batch(1, 4, 8)), plans)
    assert plans.report(path)["plan"]["failures"] == []
