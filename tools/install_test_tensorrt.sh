#!/bin/sh
# TensorRT-RTX for the tests that build plans, into the environment whose pip is given; builds need
# no GPU. Does nothing where it is present or cannot be installed.
set -u
pip=$1
version="1.7.1.*"
"$(dirname "$pip")/python" -c "import tensorrt_rtx" 2>/dev/null && exit 0
echo "installing TensorRT-RTX for the tests"
# The package of that name fetches its libraries from elsewhere: they come first, and it alone.
{
    "$pip" install -q --disable-pip-version-check --no-deps \
        "tensorrt_rtx_cu13_libs==$version" "tensorrt_rtx_cu13_bindings==$version" &&
    "$pip" install -q --disable-pip-version-check --no-deps "tensorrt_rtx_cu13==$version"
} >/dev/null 2>&1 && exit 0
echo "tests that build plans will be skipped: TensorRT-RTX cannot be installed here"
