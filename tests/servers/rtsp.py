"""A real RTSP server for tests and demonstrations: loops an H.264 or H.265 file on some mounts.

Runs under the system's Python, which has the GStreamer bindings (Debian: python3-gi,
gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad):

    /usr/bin/python3 tests/servers/rtsp.py clip.h264 --rate 10 --mounts 4 --port 8554

Mounts are /cam0, /cam1, ... The file is Annex B; nothing is transcoded. Of one with B-frames,
FILE.order has the number in time of each picture of the file.
"""

import argparse
import math
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def protect(server, factory, user, password):
    """Ask for a user name and password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role(user)
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role(user, right, True)
    factory.set_permissions(permissions)


def codec_of(path):
    """h264 or h265, by the file's suffix."""
    return "h265" if path.endswith(".h265") else "h264"


def caps_of(path, rate):
    form = "stream-format=byte-stream,alignment=au"
    return f"video/x-{codec_of(path)},{form},framerate={rate}/1"


def access_units(path, rate):
    """All pictures of the file, still compressed, as (bytes, starts with a key frame)."""
    parse, caps = f"{codec_of(path)}parse", caps_of(path, rate)
    pipe = Gst.parse_launch(
        f'filesrc location="{path}" ! {parse} ! {caps} ! appsink name=out sync=false'
    )
    pipe.set_state(Gst.State.PLAYING)
    out, units = pipe.get_by_name("out"), []
    while (sample := out.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        units.append((buffer.extract_dup(0, buffer.get_size()), key))
    pipe.set_state(Gst.State.NULL)
    return units


class Order:
    """Which picture a mount sends when. The mounts of a server that are ``apart`` send different
    ones, and their key frames at different moments: for that the first group of pictures is cut
    short, which every decoder takes."""

    def __init__(self, units, number, mounts, apart):
        keys = [i for i, (_, key) in enumerate(units) if key]
        start = number * len(keys) // mounts if apart else 0
        self.length = len(units)
        self.first, self.after = keys[start], keys[(start + 1) % len(keys)] or self.length
        group = self.after - self.first
        self.kept = group - (number * group // mounts if apart else 0)

    def __call__(self, position):
        if position < self.kept:
            return self.first + position
        return (self.after + position - self.kept) % self.length


class ByTheClock:
    """Which picture a mount sends when, where several servers see the same: by the time since an
    epoch. The mounts of one server are evenly spread over the file."""

    def __init__(self, units, number, mounts, rate, epoch):
        self.length, self.rate, self.epoch = len(units), rate, epoch
        self.ahead = number * len(units) // mounts
        self.first, self.kept, self.after = 0, 0, 0

    def begin(self):
        """Pictures are asked for from now on."""
        self.first = math.ceil((time.time() - self.epoch) * self.rate) + self.ahead
        self.first = self.after = self.first % self.length

    def __call__(self, position):
        return (self.first + position) % self.length


def tell(media, number, order):
    """Say when the first picture of a mount was due, and what its order is, once that is known."""
    clock = media.get_clock()
    if clock is None or not media.get_base_time():
        return True
    running = (clock.get_time() - media.get_base_time()) / Gst.SECOND
    numbers = f"{order.first} {order.kept} {order.after} {order.length}"
    print(f"playing {number} {time.time() - running:.4f} {numbers}", flush=True)
    return False


def later(path, count):
    """By how many pictures each is shown after it is sent: none, unless the file has B-frames."""
    order = Path(f"{path}.order")
    if not order.exists():
        return [0] * count
    by = [int(number) - i for i, number in enumerate(order.read_text().split())]
    return [number - min(by) for number in by]  # nothing is shown before it is sent


def feed(media, units, shown, rate, order):
    """Push the pictures of one media for ever, each with its time."""
    source = media.get_element().get_by_name("source")
    position = [0]

    def push(element, _wanted):
        number = position[0]
        data, key = units[order(number)]
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.dts = number * Gst.SECOND // rate
        buffer.pts = (number + shown[order(number)]) * Gst.SECOND // rate
        buffer.duration = Gst.SECOND // rate
        if not key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        position[0] += 1
        element.emit("push-buffer", buffer)

    source.connect("need-data", push)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--rate", type=int, default=10, help="frames per second of the file")
    parser.add_argument("--mounts", type=int, default=1)
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--apart", action="store_true", help="no two mounts at the same picture")
    parser.add_argument("--epoch", type=float, help="when the first picture was taken")
    parser.add_argument("--user", help="user:password to ask for")
    args = parser.parse_args()
    Gst.init(None)
    units = access_units(args.file, args.rate)
    shown = later(args.file, len(units))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(args.port))
    caps, codec = caps_of(args.file, args.rate), codec_of(args.file)
    launch = (
        f'( appsrc name=source format=time max-buffers=2 caps="{caps}" '
        f"! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1 )"
    )
    for number in range(args.mounts):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        order = Order(units, number, args.mounts, args.apart)

        if args.epoch is not None:
            order = ByTheClock(units, number, args.mounts, args.rate, args.epoch)

        def configure(_factory, media, number=number, order=order):
            if args.epoch is not None:
                order.begin()
            feed(media, units, shown, args.rate, order)
            GLib.timeout_add(50, tell, media, number, order)

        factory.connect("media-configure", configure)
        if args.user:
            protect(server, factory, *args.user.split(":", 1))
        server.get_mount_points().add_factory(f"/cam{number}", factory)
    if not server.attach(None):
        raise SystemExit(f"port {args.port} is taken")
    print(f"rtsp://127.0.0.1:{args.port}/cam0", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
