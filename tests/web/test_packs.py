"""Packs that are sent, measured, and switched on and off while cameras run."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from web_support import wait_for

pytest.importorskip("onnx")
from pack_support import make_example, new_folder, write_toml

from engines.packs import PackError, read_pack
from pipeline.errors import ConfigError
from pipeline.models import unpacking
from pipeline.models.unpacking import unpacked
from pipeline.web.exporting import exported
from pipeline.web.labels import TypedLabels


def zipped(folder: Path, top: str = "", **more: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.iterdir()):
            packed.write(path, top + path.name)
        for name, text in more.items():
            packed.writestr(top + name.replace("_", "."), text)
    return file.getvalue()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_example(tmp_path_factory.mktemp("packs"))


def test_a_pack_is_sent_measured_and_looks_at_the_cameras_named(window, example, short_clip):
    headers = {"Content-Type": "application/zip"}
    with window.client("anna") as client:
        sent = client.post("/packs", content=zipped(example, "hi-vis/"), headers=headers)
        assert sent.status_code == 201, sent.text
        assert (sent.json()["origin"], sent.json()["on"]) == ("window", False)
        assert sent.json()["labels"] == ["hi-vis", "light", "dark"]
        assert sent.json()["cost"] is None
        again = client.post("/packs", content=zipped(example), headers=headers)
        assert again.status_code == 422
        assert "there already" in again.json()["error"]

        cost = client.post("/packs/hi-vis/measure", json={}).json()["cost"]
        assert 0 < cost["ms"] < 1000
        [known] = [one for one in client.get("/packs").json()["packs"] if one["name"] == "hi-vis"]
        assert known["cost"] == cost, "measured once, and remembered"

        wrong = client.patch("/packs/hi-vis", json={"on": True, "cameras": ["nowhere"]})
        assert wrong.status_code == 422
        assert client.patch("/packs/hi-vis", json={"labels": ["a coat"]}).status_code == 422
        on = client.patch("/packs/hi-vis", json={"on": True, "least": 0.2, "cameras": ["clip"]})
        assert (on.json()["on"], on.json()["cameras"]) == (True, ["clip"])
        assert client.patch("/packs/hi-vis", json={"cameras": None}).json()["cameras"] is None

        add = window.service.runner.cameras
        add.add({"id": "late", "url": str(short_clip)})
        try:
            reader = window.service.runner.outlets.journaling.reader()
            wait_for(lambda: any('"visibility"' in text for _, text in reader.after(0, 5000)))
            reader.close()
            counted = 'threadline_tags_total{camera="late",kind="visibility"}'
            wait_for(lambda: counted in client.get(f"{window.url}/metrics").text)
        finally:
            add.remove("late")

        assert client.patch("/packs/hi-vis", json={"on": False}).json()["on"] is False
        assert window.service.runner.packs.names() == []
        assert client.delete("/packs/hi-vis").status_code == 204
        assert client.get("/packs").json()["packs"] == []
        assert client.patch("/packs/hi-vis", json={"on": True}).status_code == 404
        said = [one["action"] for one in client.get("/audit").json()["audit"]]
        assert {"pack.added", "pack.changed", "pack.removed"} <= set(said)


def test_a_pack_that_was_on_is_on_after_a_restart(window, example):
    book = window.service.packs
    folder = new_folder(window.service.out / "packs", "hi-vis")
    for path in example.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    book.change("hi-vis", {"on": True})
    window.service.runner.packs.off("hi-vis")  # as at the end
    book.restore()
    assert window.service.runner.packs.names() == ["hi-vis"]
    export = exported(window.service.out, {}, secrets=False)
    assert export["packs"] == [{"pack": "hi-vis"}]
    (folder / "model.onnx").write_bytes(b"damaged")
    window.service.runner.packs.off("hi-vis")
    book.restore()
    assert "damaged" in book.one("hi-vis")["problem"]
    assert window.service.runner.packs.names() == []
    book.remove("hi-vis")


def test_what_is_no_pack_is_refused_and_leaves_nothing(tmp_path, example):
    packs = tmp_path / "packs"

    def refused(content: bytes, why: str) -> None:
        (tmp_path / "sent.zip").write_bytes(content)
        with pytest.raises(PackError, match=why) as told:
            unpacked(tmp_path / "sent.zip", packs)
        assert str(tmp_path) not in str(told.value)
        assert list(packs.iterdir()) == []

    def archive(*members: tuple[str, bytes], mode: int = 0) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(info, content)
        return file.getvalue()

    refused(b"nothing", "no ZIP file")
    refused(archive(("model.onnx", b"")), "holds no pack.toml")
    refused(archive(("pack.toml", b"name = 'x'"), ("../../evil", b"")), "plain files")
    refused(archive(("pack.toml", b"name = '../x'")), "names no pack")
    refused(archive(("x/pack.toml", b""), ("x/y/z", b"")), "plain files")
    refused(archive(("/etc/pack.toml", b"")), "plain files")
    refused(archive(("pack.toml", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "plain files")
    refused(archive(*((f"f{i}", b"") for i in range(70))), "70 files")
    refused(archive(("pack.toml", b"#" * 70_000)), "larger than 64 KiB")
    whole = zipped(example)
    refused(whole[: len(whole) // 2], "no ZIP file")
    toml = (example / "pack.toml").read_bytes()
    changed = archive(("pack.toml", toml), ("model.onnx", b"other"), ("labels.json", b"[]"))
    refused(changed, "damaged or was changed")


def test_a_zip_that_grows_is_stopped_whatever_it_says_of_itself(tmp_path, example, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1_000_000)
    toml = (example / "pack.toml").read_bytes()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("pack.toml", toml)
        packed.writestr("model.onnx", bytes(5_000_000))
    honest = file.getvalue()
    lying = honest.replace((5_000_000).to_bytes(4, "little"), (500).to_bytes(4, "little"))
    assert lying != honest
    for content in (honest, lying):
        (tmp_path / "bomb.zip").write_bytes(content)
        with pytest.raises(PackError):
            unpacked(tmp_path / "bomb.zip", tmp_path / "packs")
        assert sum(path.stat().st_size for path in (tmp_path / "packs").rglob("*")) < 10_000


def test_only_what_the_pack_names_is_kept(tmp_path, example):
    (tmp_path / "b.zip").write_bytes(zipped(example, report_html="<script>"))
    pack = unpacked(tmp_path / "b.zip", tmp_path / "packs")
    names = {path.name for path in pack.folder.iterdir()}
    assert names == {"pack.toml", "model.onnx", "labels.json"}


def test_labels_are_typed_for_packs_that_take_sentences(tmp_path):
    folder = new_folder(tmp_path, "words")
    for name in ("model.onnx", "text.onnx", "tokenizer.json", "embeddings.npy"):
        (folder / name).write_bytes(name.encode())
    (folder / "labels.json").write_text('["coat"]', encoding="utf-8")
    write_toml(
        folder,
        'name = "words"\ntask = "words"\nlicence = "MIT"\nsource = "a test"\nsize = [32, 32]\n'
        '[[inputs]]\nname = "x"\ndtype = "float32"\nshape = ["n", 3, 32, 32]\nlayout = "nchw"\n'
        'colour = "rgb"\n[[outputs]]\nname = "y"\ndtype = "float32"\nshape = ["n", 4]\n'
        '[tagger]\nkind = "embedder"\n',
    )
    typed, pack = TypedLabels(tmp_path / "out"), read_pack(folder)
    assert typed.file("words") is None
    typed.keep(pack, ["garment:  puffer jacket ", "", "garment: something else"])
    assert typed.of("words") == ["garment: puffer jacket", "garment: something else"]
    before = Path(typed.file("words") or "").read_bytes()
    for lines, why in (
        (["coat", "coat"], "stands twice"),
        (["a woman"], "never reported: a woman"),
        (["x" * 250], "is no label"),
    ):
        with pytest.raises(ConfigError, match=why) as told:
            typed.keep(pack, lines)
        assert str(tmp_path) not in str(told.value)
    assert Path(typed.file("words") or "").read_bytes() == before, "a mistake changes nothing"
    typed.keep(pack, [])
    assert typed.file("words") is None
