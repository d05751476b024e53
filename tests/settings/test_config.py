from __future__ import annotations

import contextlib
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, redact, source_name
from pipeline.settings.file import load, parse
from pipeline.settings.schema import Config, make_config, schema

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def problem(text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "shop.yaml", env)
    return str(caught.value)


def test_defaults_are_a_valid_configuration():
    assert parse("", "empty.yaml") == make_config()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_shipped_configurations_are_valid(path, monkeypatch):
    for name in ("CAM_USER", "CAM_PASSWORD"):
        monkeypatch.setenv(name, "x")
    assert load(path)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema().model_json_schema())


def test_unknown_keys_name_file_line_and_the_nearest_key():
    text = problem("person:\n  score: 0.5\n  intervall_s: 1\n")
    assert text.startswith("shop.yaml:3: person.intervall_s: unknown key")
    assert "'interval_s'" in text


def test_unknown_keys_inside_of_a_list():
    assert "shop.yaml:3: cameras.0.ids" in problem("cameras:\n  - url: a.mp4\n    ids: x\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("person:\n  score: high\n", 2),
        ("person:\n  score: 1.5\n", 2),
        ("person:\n  score: .nan\n", 2),
        ("engine:\n  threads: -1\n", 2),
        ("engine:\n  backend: cuda\n", 2),
        ("garments:\n  vote: {appear: 0.1, vanish: 0.9}\n", 2),
        ("person: 7\n", 1),
        ("person:\n", 1),
        ("cameras: street.mp4\n", 1),
        ("cameras:\n  - id: 'a b'\n    url: x\n", 2),
        ("outputs:\n  frames: true\n  video: perhaps\n", 3),
        ("logos:\n  gallery: x\n  detector: person-store\n", 3),
        ("1: 2\n", 1),
    ],
)
def test_impossible_values_name_the_line(text, line):
    assert problem(text).startswith(f"shop.yaml:{line}: ")


@pytest.mark.parametrize(
    ("name", "instead"), [("Front Door", "Front-Door"), ("../x", "x"), ("Tür 2", "Tür-2")]
)
def test_an_id_that_no_file_can_have_is_refused_with_one_that_fits(name, instead):
    message = problem(f"cameras:\n  - url: x\n    id: {name}\n")
    assert message.startswith("shop.yaml:3: cameras.0.id: use letters, digits")
    assert message.endswith(f"; for example {instead}")
    parse(f"cameras: [{{url: x, id: {instead}}}]\n", "x")


@pytest.mark.parametrize("line", ["rotate: 45", "rotate: sideways", "flip: both", "flip: true"])
def test_a_camera_is_turned_by_quarters_and_mirrored_one_way(line):
    assert problem(f"cameras:\n  - url: x\n    {line}\n").startswith("shop.yaml:3: cameras.0.")
    camera = parse("cameras: [{url: x, rotate: 270, flip: vertical}]\n", "x").cameras[0]
    assert (camera.rotate, camera.flip) == (270, "vertical")


def test_two_cameras_of_one_name():
    text = "cameras:\n  - {url: a/x.mp4}\n  - {url: b/x.mp4}\n"
    assert "two cameras are called 'x'" in problem(text)


def test_unknown_models_list_the_known():
    assert "person-store" in problem("person: {model: yolo}\n")
    wrong = problem("person: {model: garments-lite0}\n")
    assert "'garments-lite0' is no person-detection model" in wrong
    assert make_config(logos={"detector": "unused"}), "without a gallery nothing opens it"


@pytest.mark.parametrize(
    ("text", "line", "now"),
    [
        ("person: {}\nvote: {looks: 1}\n", 2, "garments.vote"),
        ("garments:\n  refresh_s: 3\n", 2, "looks.refresh_s"),
        ("garments:\n  min_height_px: 60\n", 2, "looks.min_height_px"),
        ("garments:\n  photo_share: 0.2\n", 2, "person.photo_share"),
        ("logos:\n  appear: 0.3\n", 2, "logos.vote.appear"),
        ("pace: {most_stretch: 3}\n", 1, "pace.most_slowdown"),
        ("cameras:\n  - url: a.mp4\n    tiles: [[0, 0, 0.5, 0.5]]\n", 3, "far"),
    ],
)
def test_settings_that_moved_are_named_with_their_new_place(text, line, now):
    message = problem(text)
    assert message.startswith(f"shop.yaml:{line}: ")
    assert message.endswith(f"is called '{now}' now")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("person: {}\nmotion: {}\nperson: {}\n", 3, "'person' stands twice here"),
        ("person:\n  score: 0.5\n  score: 0.6\n", 3, "'score' stands twice here"),
        ("cameras:\n  - url: a\n    id: a\n    url: b\n", 4, "'url' stands twice here"),
        ("person: &p {}\nmotion: *p\n", 2, "aliases such as *p are not supported"),
        ("person: &p {}\nmotion:\n  <<: *p\n", 3, "not supported"),
        ("person:\n  <<: {score: 0.6}\n", 2, "merge keys are not supported"),
    ],
)
def test_what_would_be_lost_or_multiply_is_refused_with_its_line(text, line, words):
    message = problem(text)
    assert message.startswith(f"shop.yaml:{line}: not valid YAML: ")
    assert words in message


def test_a_few_bytes_that_would_expand_to_gigabytes_are_refused_at_once():
    layers = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert "aliases" in problem("l0: &l0 [x, x]\n" + layers)
    assert "not valid YAML" in problem("a: " + "[" * 5000)


def test_every_mistake_has_a_line_of_its_own():
    text = "person:\n  score: 2\nmotion:\n  treshold: 1\n"
    places = {line.split(" ")[0] for line in problem(text).splitlines()}
    assert places == {"shop.yaml:2:", "shop.yaml:4:"}


def test_a_bare_value_switches_an_output():
    outputs = parse("outputs: {video: auto, frames: true, events: false}\n", "x").section("outputs")
    assert (outputs.video.enabled, outputs.frames.enabled) == ("auto", True)
    assert not outputs.events.wanted(live=True)


@pytest.mark.parametrize(
    "text", ["a: [", "- 1\n", "\t", "a: 1\n b: 2", "!!python/object:os.x {}", "&a [*a]"]
)
def test_broken_yaml_is_a_config_error(text):
    assert problem(text).startswith("shop.yaml")


@given(st.text(max_size=80))
def test_any_text_is_a_config_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(text, "x.yaml", {}), Config)


def test_secrets_come_from_the_environment_and_never_show():
    text = "cameras:\n  - url: rtsp://${U}:${P}@10.0.0.7/s\n    id: door\n"
    config = parse(text, "shop.yaml", {"U": "admin", "P": "s3cret"})
    assert config.cameras[0].url == "rtsp://admin:s3cret@10.0.0.7/s"
    assert "P is not set" in problem(text, U="admin")
    broken = text + "    transport: ${P}\n"
    assert "s3cret" not in problem(broken, U="admin", P="s3cret")
    assert parse("engine: {threads: '${N:-2}'}", "x", {}).engine.threads == 2


@pytest.mark.parametrize(
    ("url", "env"),
    [
        ("rtsp://${U}:${P}@${H}/s", {"U": "me@shop", "P": "p@s/s#?%1: ", "H": "10.0.0.7"}),
        ("rtsp://me%40shop:${P}@10.0.0.7/s", {"P": "p%40s%2Fs%23%3F%251%3A%20"}),
        ("rtsp://${LOGIN}@10.0.0.7/s", {"LOGIN": "me@shop:p@s/s#?%1: "}),
        ("${URL}", {"URL": "RTSP://me@shop:p@s/s#?%1: @10.0.0.7/s"}),
        ("rtsp://${ALL}/s", {"ALL": "me@shop:p@s/s#?%1: @10.0.0.7"}),
    ],
)
def test_any_password_may_come_from_the_environment_into_a_url(url, env):
    [camera] = parse(f"cameras: [{{url: '{url}'}}]", "shop.yaml", env).cameras
    assert camera.url == "rtsp://me%40shop:p%40s%2Fs%23%3F%251%3A%20@10.0.0.7/s"
    assert camera.name == "10.0.0.7-s"


def test_what_is_no_login_is_not_escaped():
    text = "cameras: [{url: 'http://10.0.0.7/${PATH}?user=${U}'}]"
    [camera] = parse(text, "shop.yaml", {"PATH": "a/b", "U": "me@shop.com"}).cameras
    assert camera.url == "http://10.0.0.7/a/b?user=me@shop.com"


def test_changes_come_before_the_environment_is_asked():
    """A camera of the file that is not used needs no password."""
    text = "cameras:\n  - url: rtsp://${U}@h/s\nperson: {score: 0.5, interval_s: 1}\n"
    changes = {"cameras": [{"url": "a.mp4"}], "person": {"score": 0.6}}
    config = parse(text, "shop.yaml", {}, changes)
    assert [camera.name for camera in config.cameras] == ["a"]
    assert (config.person.score, config.person.interval_s) == (0.6, 1.0)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:s3cret@10.0.0.7/s",
        "rtsp://admin:s3cr@et@10.0.0.7/s",
        "http://10.0.0.7/s?user=admin&password=s3cret",
        "http://h/x?token=s3cret&a=1",
        "rtsp://h/user=admin&pwd=s3cret",
        "rtsp://admin:s3cret/more@10.0.0.7/s",
    ],
)
def test_redaction(url):
    shown = redact(f"cannot open {url}: refused")
    for secret in ("s3cret", "s3cr", "admin"):
        assert secret not in shown
    assert "refused" in shown
    assert "s3cret" not in source_name(url)


def test_redaction_leaves_harmless_addresses_alone():
    for url in (
        "rtsp://10.0.0.7:554/a@b",
        "rtsp://cam/a@b",
        "rtsp://10.0.0.7:554",
        "rtsp://cam:/a@b",
    ):
        assert redact(url) == url


@pytest.mark.parametrize("location", ["rtsp://[::1/x", "http://[", "rtsp://]x/y"])
def test_malformed_urls_still_have_a_name(location):
    assert source_name(location)


@given(st.text(min_size=1, max_size=60))
def test_source_names_are_safe_file_names(location):
    name = source_name(location)
    assert name
    assert "/" not in name
    assert not name.startswith(".")


def test_files_that_are_no_configuration(tmp_path):
    for content, word in ((b"\xff\xfe", "UTF-8"), (b"#" * 2_000_000, "larger")):
        path = tmp_path / "c.yaml"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=word):
            load(path)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "missing.yaml")


def test_schema_is_json():
    assert json.dumps(schema().model_json_schema())


def test_what_the_command_line_changes_counts_for_every_camera():
    text = "cameras:\n  - {url: a.mp4, outputs: {video: true, snapshots: false}}\n  - url: b.mp4\n"
    config = parse(text, "c.yaml", changes={"outputs": {"video": False}})
    outputs = [config.section_of(camera, "outputs") for camera in config.cameras]
    assert [(o.video.enabled, o.snapshots.enabled) for o in outputs] == [
        (False, False),
        (False, True),
    ]
