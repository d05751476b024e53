"""Settings of all cameras, changed while they run."""

from __future__ import annotations

from pipeline.settings.schema import make_config
from pipeline.web.service import Asked, Service
from pipeline.web.settings import leaves, value_of


def fields(answer):
    return {one["key"]: one for one in answer.json()["fields"]}


def test_what_can_follow_holds_at_once_and_the_rest_from_the_next_start(window):
    service = window.service
    with window.client("anna") as client:
        usual = fields(client.get("/settings"))
        assert not any(one["waits"] or one["changed"] for one in usual.values())
        wanted = {"store.keep.pictures_h": 24, "person.interval_s": 0.5, "track.lost_s": 4}
        done = client.patch("/settings", json={"changes": {**wanted, "store.keep.rows_d": None}})
        assert done.status_code == 200, done.text
        now = fields(done)
        assert {key for key, one in now.items() if one["changed"]} == {*wanted, "store.keep.rows_d"}
        assert {key for key, one in now.items() if one["waits"]} == {"track.lost_s"}
        assert now["track.lost_s"]["restart"]
        assert service.runner.settings.section("person").of("clip").interval_s == 0.5
        assert service.runner.store.settings.keep.pictures_h == 24
        retention = client.get("/state").json()["retention"]
        assert (retention["pictures_h"], retention["rows_d"]) == (24, None)
        assert client.get("/settings").json()["settings"]["track"]["lost_s"] == 2.5

        again = Service(Asked(service.asked.config, service.out, service.asked.packs))
        assert again.runner.config.track.lost_s == 4, "from the next start"

        back = client.patch("/settings", json={"undo": [*wanted, "store.keep.rows_d"]})
        assert fields(back) == usual
        assert service.runner.store.settings.keep.pictures_h == 72


def test_what_is_impossible_changes_nothing(window):
    with window.client("anna") as client:
        for changes, why in (
            ({"person.interval_s": -1}, "person.interval_s"),
            ({"person.interval_s": 0.7, "looks.better": "much"}, "looks.better"),
            ({"privacy.heads": "show"}, "privacy.heads"),
            ({"logos.gallery": "/etc"}, "logos.gallery"),
            ({"store.url": "postgresql://elsewhere"}, "store.url"),
            ({"engine.precision": "int8"}, "engine.precision"),
            ({"cameras": "x"}, "cameras"),
        ):
            answer = client.patch("/settings", json={"changes": changes})
            assert answer.status_code == 422
            assert why in answer.json()["error"]
        assert not any(one["changed"] for one in fields(client.get("/settings")).values())


def test_only_numbers_switches_and_choices_can_be_changed():
    config = make_config()
    found = list(leaves())
    assert len({leaf.key for leaf in found}) == len(found) > 40
    for leaf in found:
        value = value_of(config, leaf.key)
        assert value is None or isinstance(value, bool | int | float) or value in leaf.choices
