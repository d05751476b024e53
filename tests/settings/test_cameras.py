"""Settings of single cameras: sections of their own, names and passwords."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from engines.packs import SHIPPED, open_packs
from pipeline.errors import ConfigError, source_name
from pipeline.settings.file import parse
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config, schema
from pipeline.sources.camera import CameraSettings

TEXT = """
person: {score: 0.5, interval_s: 0.4}
garments: {vote: {appear: 0.6}}
outputs: {video: auto}
cameras:
  - url: plain.mp4
  - url: own.mp4
    motion: {threshold: 0.01}
    person: {score: 0.7}
    track: {lost_s: 9}
    looks: {refresh_s: 5}
    garments: {vote: {looks: 5}}
    logos: {enabled: false}
    outputs: {video: false}
"""


def problem(text):
    with pytest.raises(ConfigError) as caught:
        parse(text, "shop.yaml", {})
    return str(caught.value)


def live_settings(text=TEXT):
    return LiveSettings(parse(text, "shop.yaml", {}))


def test_every_section_may_stand_under_a_camera_and_keeps_what_it_does_not_set():
    settings = live_settings()

    def values(source):
        person, garments = (settings.section(name).of(source) for name in ("person", "garments"))
        return (
            settings.section("motion").of(source).threshold,
            (person.score, person.interval_s),
            settings.section("track").of(source).lost_s,
            settings.section("looks").of(source).refresh_s,
            (garments.vote.looks, garments.vote.appear, garments.enabled),
            settings.section("logos").of(source).enabled,
            settings.section("outputs").of(source).video.enabled,
        )

    base = (0.002, (0.5, 0.4), 2.5, 3.0, (2, 0.6, True), True, "auto")
    assert values("own") == (0.01, (0.7, 0.4), 9.0, 5.0, (5, 0.6, True), False, False)
    assert values("plain") == values("") == values("nobody") == base


def test_every_section_that_code_asks_for_by_camera_may_be_overridden():
    camera = schema().model_fields["cameras"].annotation.__args__[0]
    assert set(camera.model_fields) >= {
        "motion", "person", "track", "looks", "garments", "logos", "outputs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("person", "model: person-store"),
        ("person", "iou: 0.6"),
        ("garments", "types: true"),
        ("logos", "gallery: brands"),
        ("logos", "lettering: true"),
    ],
)
def test_what_is_opened_once_is_refused_under_a_camera(section, field):
    text = f"cameras:\n  - url: a.mp4\n    {section}:\n      {field}\n"
    key = field.partition(":")[0]
    assert problem(text) == (
        f"shop.yaml:4: cameras.0.{section}.{key}: is the same for all cameras; "
        f"set it under '{section}:'"
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("    person: {score: 2}\n", 3, "cameras.0.person.score: "),
        ("    person:\n      scor: 0.4\n", 4, "did you mean 'score'?"),
        ("    garments:\n      vote:\n        apear: 0.4\n", 5, "did you mean 'appear'?"),
        ("    garments:\n      refresh_s: 4\n", 4, "is called 'looks.refresh_s' now"),
        ("    engine: {threads: 2}\n", 3, "cameras.0.engine: unknown key"),
        ("    pace: {latency_s: 2}\n", 3, "cameras.0.pace: unknown key"),
    ],
)
def test_mistakes_under_a_camera_name_line_and_key(text, line, words):
    message = problem("cameras:\n  - url: a.mp4\n" + text)
    assert message.startswith(f"shop.yaml:{line}: ")
    assert words in message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            "garments: {vote: {vanish: 0.3}}\ncameras:\n  - url: a.mp4\n  - url: b.mp4\n"
            "    garments:\n      vote: {appear: 0.29}\n",
            6,
            "cameras.1.garments.vote: vanish must not exceed appear",
        ),
        (
            "cameras:\n  - url: a.mp4\n    person:\n      score: null\n",
            4,
            "cameras.0.person.score: ",
        ),
    ],
)
def test_what_is_impossible_only_together_is_refused_where_the_camera_sets_it(text, line, words):
    assert problem(text).startswith(f"shop.yaml:{line}: {words}")


def test_far_areas_need_a_model_of_free_size(tmp_path):
    shutil.copytree(SHIPPED / "person-store", tmp_path / "fixed")
    toml = tmp_path / "fixed" / "pack.toml"
    changed = toml.read_text().replace('"person-store"', '"fixed"').replace("multiple = 32\n", "")
    toml.write_text(changed)
    text = "person: {model: fixed}\ncameras:\n  - url: a.mp4\n    far: [[0, 0, 0.5, 0.5]]\n"
    with pytest.raises(ConfigError) as caught:
        parse(text, "shop.yaml", {}, packs=open_packs(tmp_path))
    assert str(caught.value).startswith(
        "shop.yaml:4: cameras.0.far: 'fixed' sees pictures of one size only"
    )


def test_a_model_that_one_camera_alone_uses_is_checked_as_well():
    text = "garments: {enabled: false, model: nonsense}\ncameras:\n  - url: a.mp4\n"
    assert parse(text, "shop.yaml", {})
    message = problem(text + "    garments: {enabled: true}\n")
    assert message.startswith("shop.yaml:1: garments.model: model 'nonsense' is unknown")


@pytest.mark.parametrize(
    "name", ["../up", "..", ".", ".hidden", "a/b", "a\\b", "a b", "a\n", "/etc", "x" * 65, "a:b"]
)
def test_names_that_could_leave_a_folder_are_refused(name):
    with pytest.raises(ValidationError):
        CameraSettings(url="a.mp4", id=name)


@pytest.mark.parametrize("name", ["door", "till-2", "_x", "Eingang.Süd", "入口", "x" * 64])
def test_names_people_give_are_taken(name):
    assert CameraSettings(url="a.mp4", id=name).name == name


@given(st.text(min_size=1, max_size=80))
@example("room 12 m².mp4")
def test_a_name_made_of_a_location_is_one_that_may_be_given(location):
    assert CameraSettings(url=location, id=source_name(location))


def test_user_and_password_may_hold_any_character_and_never_show():
    camera = {"url": "rtsp://10.0.0.7/s", "user": "ad:min", "password": "s3:cr/et@?#%"}
    config = make_config(cameras=[camera])
    [made] = config.cameras
    assert made.address == "rtsp://ad%3Amin:s3%3Acr%2Fet%40%3F%23%25@10.0.0.7/s"
    assert made.name == "10.0.0.7-s"
    for shown in (repr(config), json.dumps(config.model_dump(mode="json")), str(made)):
        assert "s3" not in shown
        assert "ad:min" not in shown


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ("{url: 'rtsp://u@h/s', user: admin}", "names a user already"),
        ("{url: 'rtsp://u:p@h/s', password: s3cret}", "names a user already"),
        ("{url: street.mp4, user: admin, password: s3cret}", "need a URL"),
        ("{url: 'rtsp://h/s', user: admin, password: [s3cret]}", "password"),
        ("{url: 'rtsp://u:s3cret@h/s', transport: ip}", "transport"),
    ],
)
def test_logins_that_cannot_be_meant_are_refused_without_showing_them(camera, words):
    message = problem(f"cameras:\n  - {camera}\n")
    assert message.startswith("shop.yaml:2: cameras.0")
    assert words in message
    assert "s3cret" not in message


def test_an_at_sign_in_a_path_is_no_login():
    camera = CameraSettings(url="rtsp://h/a@b", user="u", password="p")
    assert camera.address == "rtsp://u:p@h/a@b"


def test_cameras_come_and_go_while_the_settings_are_in_use():
    settings = live_settings()
    kind = schema().model_fields["cameras"].annotation.__args__[0]
    person, zones = settings.section("person"), settings.zones
    area = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    settings.add(kind(url="x", id="new", person={"score": 0.9}, exclude=(area,)))
    assert person.of("new").score == 0.9
    assert person.of("new").interval_s == 0.4
    assert zones.of("new").exclude == (area,)
    assert person.of("own").score == 0.7
    settings.add(kind(url="x", id="new", garments={"enabled": False}))
    assert person.of("new").score == 0.5, "of another camera of this name nothing is left"
    assert zones.of("new").exclude == ()
    assert not settings.section("garments").of("new").wanted
    settings.drop("new")
    settings.drop("own")
    assert settings.section("garments").of("new").wanted
    assert person.of("own").score == 0.5
    assert all(not settings.section(name).own for name in ("person", "garments", "outputs"))


def test_a_camera_that_does_not_fit_changes_nothing():
    settings = live_settings()
    kind = schema().model_fields["cameras"].annotation.__args__[0]
    wrong = kind(url="x", id="own", person={"score": 0.9}, garments={"vote": {"vanish": 0.9}})
    with pytest.raises(ValueError, match="vanish must not exceed appear"):
        settings.add(wrong)
    assert settings.section("person").of("own").score == 0.7
    assert settings.section("garments").of("own").vote.looks == 5


def test_overrides_are_listed_whole():
    [own] = live_settings().section("person").own.values()
    assert (own.score, own.interval_s) == (0.7, 0.4)


SUB = """
cameras:
  - id: door
    url: {url}
    sub: {sub}
    {more}
"""


@pytest.mark.parametrize(
    ("url", "sub", "more", "words"),
    [
        ("rtsp://c/main", "rtsp://c/main", "", "same address"),
        ("clip.mp4", "rtsp://c/sub", "", "of a recording a file, its proxy"),
        ("rtsp://c/main", "clip.mp4", "", "of a live camera it is another stream"),
        ("a.mp4", "b.mp4", "then: [c.mp4]", "several files has no proxy"),
        ("rtsp://c/main", "rtsp://c/sub", "reader: nvdec", "reader: ffmpeg"),
        ("rtsp://c/main", "rtsp://u:p@c/sub", "user: me", "sub names a user already"),
    ],
)
def test_sub_streams_that_cannot_be(url, sub, more, words):
    assert words in problem(SUB.format(url=url, sub=sub, more=more))


def test_a_sub_stream_has_the_cameras_name_login_and_way(monkeypatch):
    text = SUB.format(url="rtsp://c/main", sub="rtsp://c/sub", more="user: me")
    [camera] = parse(text, "shop.yaml", {}).cameras
    assert (camera.main_stream.address, camera.sub_stream.address) == (
        "rtsp://me@c/main", "rtsp://me@c/sub",
    )  # fmt: skip
    assert camera.main_stream.name == camera.sub_stream.name == "door"
    assert not camera.sub_stream.sub


def test_the_login_of_a_sub_stream_is_never_shown():
    camera = CameraSettings(url="rtsp://a:hunter2@c/main", sub="rtsp://a:hunter2@c/sub")
    assert "hunter2" not in repr(camera) + str(camera) + camera.model_dump_json()
    assert "hunter2" not in repr(camera.sub_stream) + camera.sub_stream.name
    with pytest.raises(ValidationError) as caught:
        CameraSettings(url="rtsp://c/main", sub="rtsp://a:hunter2@c/sub", user="me")
    assert "hunter2" not in str(caught.value)
