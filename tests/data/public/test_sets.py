"""The data sets' readers, on tiny archives of the same form from a server on this machine."""

import hashlib
import http.server
import tarfile
import threading
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from dlcv.data.public import VOC2012, NotReachable, OxfordPets, pets, voc
from dlcv.data.public.remote import Remote


def encoded(pixels, kind, palette=False):
    image = Image.fromarray(np.asarray(pixels, np.uint8), "P" if palette else None)
    if palette:
        image.putpalette([channel for colour in range(256) for channel in (colour, 255 - colour, 7)])
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def packed(path, members, mode):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))


@pytest.fixture
def publish(tmp_path):
    """Serve a folder, and say of a file in it what a `Remote` wants to know."""
    shop = tmp_path / "shop"
    shop.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shop))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def offered(name, members, mode):
            packed(shop / name, members, mode)
            content = (shop / name).read_bytes()
            url = f"http://127.0.0.1:{server.server_port}/{name}"
            return Remote(url, f"md5:{hashlib.md5(content).hexdigest()}", len(content))

        yield offered
        server.shutdown()
        thread.join()


PHOTOGRAPH = np.full((4, 5, 3), 100)


def test_pets(publish, tmp_path, monkeypatch):
    trimap = [[2, 2, 2, 2, 2], [2, 3, 3, 3, 2], [2, 3, 1, 3, 2], [2, 3, 3, 3, 2]]
    annotations = {
        "annotations/trainval.txt": b"Birman_1 7 1 5\nbeagle_12 5 2 1\n",
        "annotations/test.txt": b"Birman_2 7 1 5\n",
        "annotations/trimaps/beagle_12.png": encoded(trimap, "PNG"),
        "annotations/trimaps/._beagle_12.png": b"hidden",
        "annotations/xmls/beagle_12.xml": b"<box/>",
    }
    images = {"images/beagle_12.jpg": encoded(PHOTOGRAPH, "JPEG"), "images/beagle_12.mat": b"stray"}
    files = publish("annotations.tar.gz", annotations, "w:gz"), publish("images.tar.gz", images, "w:gz")
    monkeypatch.setattr(pets, "FILES", files)
    data = OxfordPets("trainval", tmp_path / "cache", show=False)
    assert len(data) == 2
    item = data[1]
    assert (item.name, item.breed, item.species) == ("beagle_12", 4, "dog")
    assert item.image.shape == (3, 4, 5)
    assert item.image.mean() == pytest.approx(100 / 255, abs=0.01)
    expected = torch.zeros(4, 5, dtype=torch.int64)
    expected[1:, 1:4], expected[2, 2] = 255, 1
    assert torch.equal(item.semantic, expected)
    monkeypatch.setattr(pets, "FILES", ())  # nothing is asked for a second time
    assert len(OxfordPets("test", tmp_path / "cache")) == 1
    kept = {path.name for path in (tmp_path / "cache" / "oxford-pets").rglob("*.*")}
    assert not kept & {"._beagle_12.png", "beagle_12.xml", "beagle_12.mat"}


def test_voc(publish, tmp_path, monkeypatch):
    classes = [[0, 0, 0, 255, 15], [0, 9, 255, 15, 15], [9, 9, 255, 15, 15], [9, 9, 255, 255, 255]]
    objects = [[0, 0, 0, 255, 2], [0, 1, 255, 2, 2], [1, 1, 255, 2, 2], [1, 1, 255, 255, 255]]
    root = "VOCdevkit/VOC2012"
    members = {
        f"{root}/ImageSets/Segmentation/train.txt": b"2007_000032\n",
        f"{root}/ImageSets/Segmentation/val.txt": b"",
        f"{root}/ImageSets/Main/cat_train.txt": b"2007_000032 -1\n",
        f"{root}/JPEGImages/2007_000032.jpg": encoded(PHOTOGRAPH, "JPEG"),
        f"{root}/SegmentationClass/2007_000032.png": encoded(classes, "PNG", palette=True),
        f"{root}/SegmentationObject/2007_000032.png": encoded(objects, "PNG", palette=True),
    }
    monkeypatch.setattr(voc, "FILE", publish("voc.tar", members, "w"))
    data = VOC2012("train", tmp_path / "cache", show=False)
    item = data[0]
    assert len(data) == 1
    assert torch.equal(item.semantic, torch.tensor(classes))
    assert torch.equal(item.instance, torch.tensor(objects).where(torch.tensor(objects) != 255, 0))
    assert [item.class_names[label] for label in item.labels] == ["chair", "person"]
    assert item.boxes.tolist() == [[0, 1, 2, 4], [3, 0, 5, 3]]
    assert not list((tmp_path / "cache").rglob("cat_train.txt"))


@pytest.mark.parametrize(("data", "module", "name"), [(OxfordPets, pets, "FILES"), (VOC2012, voc, "FILE")])
def test_offline_they_say_what_is_missing(data, module, name, tmp_path, monkeypatch):
    nowhere = Remote("http://127.0.0.1:9/file.tar", "md5:0", 1)
    monkeypatch.setattr(module, name, (nowhere,) if name == "FILES" else nowhere)
    with pytest.raises(
        NotReachable, match="Connect to the network and try again, or put the file there by hand"
    ):
        data(folder=tmp_path, show=False)


@pytest.mark.parametrize("data", [OxfordPets, VOC2012])
def test_unknown_splits_fail_at_the_door(data):
    with pytest.raises(ValueError, match=r"split must be one of .*; got 'all'"):
        data("all")
