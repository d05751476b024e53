"""The arithmetic of the GPU's regions, run on the host, against the pipeline's CPU path; and that
nvcc takes the kernel for every architecture."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import CLIP

import engines.trt
from pipeline.config import CameraConfig
from pipeline.sources import open_source
from pipeline.yuv import Planes, to_rgb, to_rgb_matrix

KERNELS = Path(engines.trt.__file__).parent / "kernels"
HOST = """
#include "sample.h"
void host_regions(const unsigned char *luma, const unsigned char *chroma, int pitch, int pw, int ph,
                  const int *windows, int count, const struct Row *rows, int width, int height,
                  unsigned char *out) {
    struct Nv12 from = {luma, chroma, pitch, pw, ph};
    for (int n = 0; n < count; n++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                sample(&from, windows + 4 * n, rows, x, y, width, height,
                       out + 3 * (((long)n * height + y) * width + x));
}
"""
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_100", "sm_120")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "host.c").write_text(HOST)
    library = folder / "host.so"
    flags = ["-O2", "-shared", "-fPIC", "-Wall", "-Werror", f"-I{KERNELS}"]
    subprocess.run([compiler, *flags, str(folder / "host.c"), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library)).host_regions


def on_host(host, planes, windows, size):
    """Regions as the kernel makes them: (n, h, w, 3)."""
    height, width = planes.y.shape
    pitch = (width + 63) // 64 * 64
    luma = np.zeros((height, pitch), np.uint8)
    luma[:, :width] = planes.y
    chroma = np.zeros((height // 2, pitch), np.uint8)
    chroma[:, 0 : width // 2 * 2 : 2] = planes.u[: height // 2, : width // 2]
    chroma[:, 1 : width // 2 * 2 : 2] = planes.v[: height // 2, : width // 2]
    rows = np.ascontiguousarray(to_rgb_matrix(planes.matrix, planes.full_range), np.float32)
    boxes = np.ascontiguousarray(windows, np.int32)
    out = np.zeros((len(boxes), size[1], size[0], 3), np.uint8)
    at = lambda a: a.ctypes.data_as(ctypes.c_void_p)  # noqa: E731
    host(
        at(luma), at(chroma), pitch, width, height, at(boxes), len(boxes), at(rows), *size, at(out)
    )
    return out


@pytest.fixture(scope="module")
def planes():
    with open_source(CameraConfig(url=str(CLIP))) as source:
        return next(iter(source)).planes


@pytest.mark.parametrize(
    ("window", "size"),
    [((0, 0, 768, 576), (512, 288)), ((0, 0, 768, 576), (96, 72)),
     ((100, 100, 260, 420), (160, 320)), ((300, 200, 340, 280), (160, 320)),
     ((301, 203, 365, 267), (96, 96)),
     ((-80, -60, 160, 420), (160, 320)), ((700, 500, 900, 700), (96, 96))],
)  # fmt: skip
def test_regions_are_what_the_cpu_makes_of_them(host, planes, window, size):
    wanted = to_rgb(planes, window, size).astype(int)
    [got] = on_host(host, planes, [window], size).astype(int)
    apart = np.abs(wanted - got)
    assert apart.mean() < 2.5, "another filter than OpenCV's, but the same picture"
    # A region that reaches beyond the picture may be cut off a pixel earlier or later.
    assert np.percentile(apart, 95) <= 16


def test_even_pictures_stay_even_and_outside_is_grey(host):
    for level in (16, 100, 235):
        y = np.full((48, 64), level, np.uint8)
        c = np.full((24, 32), 128, np.uint8)
        even = Planes(y, c, c)
        out = on_host(host, even, [(3, 5, 41, 37), (-100, -100, -50, -50)], (20, 30))
        want = round((level - 16) * 255 / 219)
        assert np.abs(out[0].astype(int) - want).max() <= 1
        assert (out[1] == 127).all()


def test_a_region_at_its_own_size_is_the_picture(host, planes):
    [got] = on_host(host, planes, [(128, 128, 256, 256)], (128, 128)).astype(int)
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
