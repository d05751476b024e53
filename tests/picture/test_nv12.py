"""Pictures that stay on the GPU are, to everything that looks at them, the same pictures.

The device's memory is the host's here, and its kernels are compiled for the host; NVDEC itself and
the kernels on a device are checked where there is a GPU (``make gpu-check``).
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from host_cuda import HostCuda, on_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CLIP, Silent, cut

from engines.trt.gpu import driver
from engines.trt.regions import Regions
from pipeline.errors import SourceRefusedError
from pipeline.picture.crop import appearance, crops, person_window, quality, sharpness
from pipeline.picture.motion import changed_cells, luma_grid
from pipeline.picture.nv12 import Nv12Planes
from pipeline.picture.turn import UPRIGHT, exif_turn
from pipeline.picture.yuv import Planes
from pipeline.sources import nvdec, open_source, stream
from pipeline.sources.camera import CameraSettings
from pipeline.sources.planes import Shown, to_planes, told_turn
from pipeline.types import Frame

BOX = (300.0, 180.0, 360.0, 330.0)


@pytest.fixture(scope="module")
def frame():
    with open_source(CameraSettings(url=str(CLIP))) as source:
        return next(iter(source))


def there(frame, regions):
    """The same frame with its picture on the GPU."""
    return Frame(frame.source, frame.index, frame.pts, frame.captured_at, frame.utc,
                 on_gpu(frame.planes, regions))  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 700), st.integers(0, 500), st.integers(1, 300), st.integers(1, 300),
    st.integers(1, 9),
)  # fmt: skip
def test_points_are_the_same_bytes(kernels, frame, x, y, width, height, step):
    regions = Regions(HostCuda(kernels))
    window = (x, y, min(x + width, frame.width), min(y + height, frame.height))
    got = on_gpu(frame.planes, regions).points(window, step)
    assert (got == frame.planes.points(window, step)).all()
    regions.close()


def test_luma_motion_and_sharpness_are_the_same(regions, frame):
    gpu = there(frame, regions)
    assert (gpu.planes.y == frame.planes.y).all()
    assert not changed_cells(luma_grid(frame.planes), luma_grid(gpu.planes)).any()
    for box in (BOX, (-50.0, -50.0, 100.0, 200.0), (700.0, 500.0, 900.0, 700.0)):
        assert sharpness(gpu, box) == sharpness(frame, box)
        assert quality(gpu, box) == quality(frame, box)
    assert sharpness(gpu, (900.0, 10.0, 950.0, 60.0)) == 0.0


def test_clothes_look_the_same(regions, frame):
    gpu = there(frame, regions)
    for box in (BOX, (-40.0, -20.0, 60.0, 100.0), (740.0, 540.0, 790.0, 640.0)):
        assert appearance(gpu, box) == pytest.approx(appearance(frame, box), abs=3.0)


def test_a_copy_in_ordinary_memory_is_the_picture(regions, frame):
    copy = on_gpu(frame.planes, regions).host()
    assert (copy.y == frame.planes.y).all()
    assert np.abs(copy.rgb().astype(int) - frame.rgb().astype(int)).mean() < 1.5


def test_crops_of_many_cameras_are_one_call_and_little_comes_back(kernels, frame):
    cuda = HostCuda(kernels)
    regions = Regions(cuda)
    other = Planes(frame.planes.y, frame.planes.u, frame.planes.v, "bt709", True)
    frames = [there(frame, regions), there(frame, regions)]
    frames[1] = Frame("b", 0, 0.0, 0.0, 0.0, on_gpu(other, regions))
    windows = [person_window(BOX, (160, 320)), (10, 20, 110, 220)]
    got = crops(list(zip(frames, windows, strict=True)), (160, 320))
    assert cuda.calls == 1
    assert cuda.fetched == got.nbytes == 2 * 160 * 320 * 3
    on_cpu = [frame, Frame("b", 0, 0.0, 0.0, 0.0, other)]
    wanted = crops(list(zip(on_cpu, windows, strict=True)), (160, 320))
    assert np.abs(got.astype(int) - wanted.astype(int)).mean() < 2.5
    mixed = crops([(frames[0], windows[0]), (frame, windows[0])], (160, 320))
    assert mixed.shape == got.shape, "one of them decoded on the processor"
    regions.close()
    assert not cuda.blocks
    assert cuda.closed
    regions.close()  # the second time does nothing


class Decoded:
    """A picture of PyAV's as NVDEC gives it: its planes can be reached by address alone."""

    def __init__(self, picture, form="nv12"):
        self._nv12 = picture.reformat(format="nv12")
        self._picture = picture
        self.format = SimpleNamespace(name="cuda")
        self.sw_format = SimpleNamespace(name=form)
        self.planes = tuple(
            SimpleNamespace(buffer_ptr=p.buffer_ptr, line_size=p.line_size)
            for p in self._nv12.planes
        )

    def __getattr__(self, name):
        return getattr(self._picture, name)


@pytest.fixture
def decoding_there(monkeypatch, regions):
    """NVDEC played by the processor's decoder."""
    decode = stream.Decoder.decode
    monkeypatch.setattr(nvdec, "reader", lambda: regions)
    monkeypatch.setattr(nvdec.Nvdec, "accelerator", None)
    monkeypatch.setattr(
        stream.Decoder, "decode", lambda *given: [Decoded(p) for p in decode(*given)]
    )
    return regions


def test_a_source_leaves_its_pictures_there(decoding_there, frame):
    with open_source(CameraSettings(url=str(CLIP), reader="nvdec")) as source:
        first = next(iter(source))
    assert isinstance(first.planes, Nv12Planes)
    assert (first.planes.y == frame.planes.y).all()
    assert first.planes.matrix == frame.planes.matrix
    assert first.planes.full_range == frame.planes.full_range


def test_pictures_of_ten_bits_are_refused_with_the_remedy(decoding_there, monkeypatch):
    decode = stream.Decoder.decode
    monkeypatch.setattr(
        stream.Decoder, "decode", lambda *given: [Decoded(p, "p010le") for p in decode(*given)]
    )
    with (
        open_source(CameraSettings(url=str(CLIP), reader="nvdec")) as source,
        pytest.raises(SourceRefusedError, match=r"p010le.*reader: ffmpeg"),
    ):
        next(iter(source))


class Kept(Silent):
    """A sink that keeps what it is given."""

    name = "kept"

    def __init__(self):
        self.results = []

    def write(self, tagged):
        self.results.append(tagged)


def people_of(reader, out):
    """What a whole run finds in the first seconds of the clip."""
    from pipeline.flow.runner import Runner
    from pipeline.settings.schema import make_config

    clip = cut(out.with_suffix(".mp4"), 30)
    kept = Kept()
    config = make_config(
        cameras=[{"url": str(clip), "id": "a", "reader": reader}],
        outputs={"video": True, "snapshots": True},
        # In INT8, what is doubtful tips the other way on other engines.
        person={"model": "person-store"},
    )
    with Runner(config, out, [kept]) as runner:
        runner.start()
        runner.wait()
    return kept.results


def test_a_run_finds_the_same_people_in_the_same_clothes(decoding_there, monkeypatch, tmp_path):
    gpu = people_of("nvdec", tmp_path / "gpu")
    monkeypatch.undo()
    cpu = people_of("ffmpeg", tmp_path / "cpu")
    assert len(gpu) == len(cpu) == 30
    assert all(isinstance(tagged.frame.planes, Nv12Planes) for tagged in gpu)
    ours, theirs = (sum(len(tagged.tracks) for tagged in some) for some in (gpu, cpu))
    assert ours == pytest.approx(theirs, rel=0.15)
    # Another filter tips what is doubtful in three seconds; what people clearly wear both say.
    gpu_tags, cpu_tags = (
        Counter(tag.category for tagged in some for t in tagged.tracks for tag in t.tags)
        for some in (gpu, cpu)
    )
    assert {name for name, _ in gpu_tags.most_common(2)} == {
        name for name, _ in cpu_tags.most_common(2)
    }
    assert len(gpu_tags.keys() & cpu_tags.keys()) >= 0.6 * len(gpu_tags.keys() | cpu_tags.keys())
    assert list((tmp_path / "gpu" / "snapshots").rglob("*.jpg"))


def test_without_a_gpu_the_processor_decodes_and_it_is_reported_once(caplog):
    if driver() is not None:
        pytest.skip("there is an NVIDIA driver")
    nvdec.reader.cache_clear()
    for _ in range(2):
        with open_source(CameraSettings(url=str(CLIP), reader="nvdec")) as source:
            assert isinstance(next(iter(source)).planes, Planes)
    [told] = caplog.records
    assert "decoding on the processor" in told.message


def test_a_gpu_whose_decoder_cannot_be_used_leaves_decoding_to_the_processor(
    kernels, monkeypatch, caplog
):
    if driver() is not None:
        pytest.skip("there is an NVIDIA driver")
    cuda = HostCuda(kernels)
    monkeypatch.setattr("engines.trt.cuda.PyCuda", lambda: cuda)
    monkeypatch.setattr("engines.trt.gpu.video_decoder", lambda: True)
    nvdec.reader.cache_clear()
    with open_source(CameraSettings(url=str(CLIP), reader="nvdec")) as source:
        assert isinstance(next(iter(source)).planes, Planes)
    nvdec.reader.cache_clear()
    assert "decoding on the processor" in caplog.text
    assert cuda.closed


def test_a_driver_without_its_video_decoder_is_told_with_the_remedy(kernels, monkeypatch, caplog):
    """As in a container that was not given it: FFmpeg itself would say nothing."""
    cuda = HostCuda(kernels)
    monkeypatch.setattr("engines.trt.cuda.PyCuda", lambda: cuda)
    monkeypatch.setattr("engines.trt.gpu.video_decoder", lambda: False)
    nvdec.reader.cache_clear()
    with open_source(CameraSettings(url=str(CLIP), reader="nvdec")) as source:
        assert isinstance(next(iter(source)).planes, Planes)
    nvdec.reader.cache_clear()
    assert "NVIDIA_DRIVER_CAPABILITIES" in caplog.text
    assert cuda.closed


def test_cameras_opened_at_once_share_one_reader(kernels, monkeypatch):
    made = []

    def slow():
        time.sleep(0.05)
        made.append(HostCuda(kernels))
        return made[-1]

    monkeypatch.setattr("engines.trt.cuda.PyCuda", slow)
    monkeypatch.setattr("engines.trt.gpu.video_decoder", lambda: True)
    monkeypatch.setattr(nvdec, "_accelerator", lambda: SimpleNamespace(create=lambda codec: None))
    nvdec.reader.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: nvdec.on_gpu(), range(4)))
    nvdec.reader().close()
    nvdec.reader.cache_clear()
    assert len(made) == 1


class Matrix(SimpleNamespace):
    """What PyAV gives of a display matrix."""

    def __bytes__(self):
        return struct.pack("=9i", *self.numbers, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    "shown",
    [Shown(), Shown(turn=exif_turn(6)), Shown(Fraction(4, 3)), Shown(Fraction(1, 2), "hlg")],
)
@pytest.mark.parametrize("told", [UPRIGHT, exif_turn(2)])
def test_what_is_turned_or_stretched_is_so_on_the_gpu_too(regions, frame, shown, told):
    mirror = -65536 if told.mirrored else 65536
    matrix = Matrix(type=SimpleNamespace(name="DISPLAYMATRIX"), numbers=[mirror, 0, 0, 0, 65536])
    decoded = SimpleNamespace(
        format=SimpleNamespace(name=nvdec.ON_GPU), color_range=1, colorspace=6,
        height=frame.height, side_data={"DISPLAYMATRIX": matrix},
    )  # fmt: skip
    reader = SimpleNamespace(planes=lambda *_: on_gpu(frame.planes, regions))
    found = to_planes(decoded, reader, shown, told_turn(decoded))
    expected = shown(replace(frame.planes, light=shown.light), told)
    assert (found.width, found.height) == (expected.width, expected.height)
    assert isinstance(found, Nv12Planes) == ((shown, told) == (Shown(), UPRIGHT))
    assert np.abs(found.rgb(size=(96, 72)).astype(int) - expected.rgb(size=(96, 72))).mean() < 2
