"""A recording with a proxy through the whole pipeline."""

from __future__ import annotations

import av
import pytest
from support import Silent, cut

from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config
from pipeline.sources import proxy
from pipeline.tagging.failures import Failures

LARGE, SMALL = (768, 576), (384, 288)
LENGTH = 40


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxied")
    large, small = cut(folder / "large.mp4", LENGTH), folder / "small.mp4"
    with av.open(str(large)) as source, av.open(str(small), "w") as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SMALL, "yuv420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame.reformat(*SMALL)))
        target.mux(stream.encode())
    return large, small


class Seen(Silent):
    name = "seen"

    def __init__(self):
        self.results = []

    def write(self, tagged):
        self.results.append(tagged)


def test_people_are_followed_on_the_proxy_and_looked_at_in_the_recording(
    files, tmp_path, monkeypatch
):
    large, small = files
    shown, asked = [], []
    kept, picture = Failures.look, proxy.Moments.at

    def look(failures, tagger, subjects):
        shown.extend((subject.frame.width, subject.frame.height) for subject in subjects)
        return kept(failures, tagger, subjects)

    monkeypatch.setattr(Failures, "look", look)
    monkeypatch.setattr(proxy.Moments, "at", lambda m, pts: asked.append(pts) or picture(m, pts))
    config = make_config(
        cameras=[{"url": str(large), "sub": str(small), "id": "shop"}],
        outputs={"video": False},
        engine={"backend": "onnxruntime", "threads": 1},
    )
    seen = Seen()
    with Runner(config, tmp_path, (seen,)) as runner:
        runner.start()
        runner.wait()
        [camera] = runner.stats.cameras.values()
    assert (camera.state, camera.analysed) == ("done", LENGTH)
    assert {(one.frame.width, one.frame.height) for one in seen.results} == {SMALL}
    assert set(shown) == {LARGE}
    assert 0 < len(asked) < LENGTH / 2, "only of moments at which somebody is looked at"
    assert any(track.tags for one in seen.results for track in one.tracks)
