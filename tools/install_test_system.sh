#!/bin/sh
# GStreamer's RTSP server for the tests: packages of the system, installed only where somebody says
# yes at a terminal or INSTALL=yes is set. Never an error: what needs it is skipped.
set -u
packages="python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
probe='import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst, GstRtspServer
Gst.init(None); raise SystemExit(not all(map(Gst.ElementFactory.find, ("h264parse", "rtph264pay", "appsrc"))))'
"${SYSTEM_PYTHON:-/usr/bin/python3}" -c "$probe" 2>/dev/null && exit 0

echo "missing: GStreamer's RTSP server; the tests that drive cameras need these packages of the system:"
echo "    apt-get install $packages"
answer=${INSTALL:-}
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "those tests are skipped; only root can install them, and with apt-get"
    exit 0
fi
if [ -z "$answer" ] && [ -t 0 ] && [ -t 1 ]; then
    printf "install them now? [y/N] "
    read -r answer || answer=no
fi
case $answer in
    [Yy] | [Yy][Ee][Ss]) ;;
    *)
        echo "nothing is installed, those tests are skipped; INSTALL=yes make test installs them"
        exit 0
        ;;
esac
echo "installing them"
# shellcheck disable=SC2086
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1 && exit 0
echo "they cannot be installed here: those tests are skipped"
