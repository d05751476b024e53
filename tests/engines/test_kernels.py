"""The arithmetic of the GPU's regions, run on the host, against the pipeline's CPU path; and that
nvcc takes the kernel for every architecture."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from host_cuda import KERNELS, on_gpu
from support import CLIP

from pipeline.picture.nv12 import cut
from pipeline.picture.yuv import Planes, to_rgb
from pipeline.sources import open_source
from pipeline.sources.camera import CameraSettings

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_100", "sm_120")


@pytest.fixture(scope="module")
def planes():
    with open_source(CameraSettings(url=str(CLIP))) as source:
        return next(iter(source)).planes


@pytest.mark.parametrize(
    ("window", "size"),
    [((0, 0, 768, 576), (512, 288)), ((0, 0, 768, 576), (96, 72)),
     ((100, 100, 260, 420), (160, 320)), ((300, 200, 340, 280), (160, 320)),
     ((301, 203, 365, 267), (96, 96)),
     ((-80, -60, 160, 420), (160, 320)), ((700, 500, 900, 700), (96, 96))],
)  # fmt: skip
def test_regions_are_what_the_cpu_makes_of_them(regions, planes, window, size):
    wanted = to_rgb(planes, window, size).astype(int)
    got = on_gpu(planes, regions).rgb(window, size).astype(int)
    apart = np.abs(wanted - got)
    assert apart.mean() < 2.5, "another filter than OpenCV's, but the same picture"
    # A region that reaches beyond the picture may be cut off a pixel earlier or later.
    assert np.percentile(apart, 95) <= 16


def test_even_pictures_stay_even_and_outside_is_grey(regions):
    for level in (16, 100, 235):
        y = np.full((48, 64), level, np.uint8)
        c = np.full((24, 32), 128, np.uint8)
        even = on_gpu(Planes(y, c, c), regions)
        out = cut([even, even], [(3, 5, 41, 37), (-100, -100, -50, -50)], (20, 30))
        want = round((level - 16) * 255 / 219)
        assert np.abs(out[0].astype(int) - want).max() <= 1
        assert (out[1] == 127).all()


def test_a_region_at_its_own_size_is_the_picture(regions, planes):
    got = on_gpu(planes, regions).rgb((128, 128, 256, 256)).astype(int)
    wanted = to_rgb(planes, (128, 128, 256, 256), (128, 128)).astype(int)
    luma = [0.299, 0.587, 0.114]
    assert np.abs(got @ luma - wanted @ luma).mean() < 1.0


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs NVIDIA's nvcc")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_kernel_compiles_for_every_architecture(architecture, tmp_path):
    out = tmp_path / "regions.cubin"
    done = subprocess.run(
        ["nvcc", "-cubin", f"-arch={architecture}", "-Werror", "all-warnings", "-o", str(out),
         str(KERNELS / "regions.cu")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 1000
