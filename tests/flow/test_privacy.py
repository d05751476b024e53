"""What is hidden in a whole run, camera by camera."""

from __future__ import annotations

from support import lines

from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config

WHOLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


def test_nobody_is_found_behind_a_mask_and_what_was_chosen_is_recorded(few_frames, tmp_path):
    config = make_config(
        cameras=[
            {"id": "masked", "url": str(few_frames), "privacy": {"mask": WHOLE}},
            {"id": "kept", "url": str(few_frames), "privacy": {"heads": "keep"}},
        ],
        outputs={"video": False},
        engine={"backend": "onnxruntime", "threads": 1},
    )
    with Runner(config, tmp_path) as runner:
        runner.start()
        runner.wait()
    events = lines(tmp_path / "events.jsonl")
    assert {event["camera"] for event in events} == {"kept"}
    assert {event["heads"] for event in events} == {"keep"}
    counted = {one["id"]: one["privacy"] for one in runner.stats.as_json()["cameras"]}
    assert counted == {
        "masked": {"heads": "pixelate", "masked": 1},
        "kept": {"heads": "keep", "masked": 0},
    }
