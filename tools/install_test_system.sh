#!/bin/sh
# GStreamer's RTSP server for the tests. Does nothing where it is present or cannot be installed.
set -u
packages="python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
probe='import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst, GstRtspServer
Gst.init(None); raise SystemExit(not all(map(Gst.ElementFactory.find, ("h264parse", "rtph264pay", "appsrc"))))'
/usr/bin/python3 -c "$probe" 2>/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing GStreamer's RTSP server for the tests"
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1 && exit 0
fi
echo "RTSP tests will be skipped; for them: apt-get install $packages"
