from dataclasses import fields

import pytest
import torch
from torch.utils.data import DataLoader

from dlcv.data.scenes import CachedScenes, SceneDataset, render, stack


def equal(a, b, names):
    return all(torch.allclose(getattr(a, name), getattr(b, name), atol=1e-5) for name in names)


EVERYTHING = [field.name for field in fields(render([0], 16)[0])]


@pytest.fixture
def scenes():
    return SceneDataset(6, size=24, seed=2, start=10, family="street")


def test_items_are_rendered_scenes(scenes):
    expected = render(range(10, 16), 24, seed=2, family="street")
    assert len(scenes) == 6
    for index in range(6):
        assert equal(scenes[index], expected[index], EVERYTHING)
    assert torch.equal(scenes.batch([4, 1]).instance, expected.instance[[4, 1]])


def test_any_length_costs_nothing():
    assert len(SceneDataset(10**9, size=16)) == 10**9
    assert SceneDataset(10**9, size=16)[10**9 - 1].image.shape == (3, 16, 16)


def test_a_loader_renders_batches(scenes):
    (first, second) = DataLoader(scenes, batch_size=4, collate_fn=stack)
    assert (len(first), len(second)) == (4, 2)
    assert torch.equal(second.semantic, scenes.batch([4, 5]).semantic)


def test_beyond_the_end(scenes):
    with pytest.raises(IndexError, match="scene 6 of 6"):
        scenes[6]
    with pytest.raises(IndexError):
        CachedScenes(scenes)[6]
    with pytest.raises(IndexError, match="scene -1 of 6"):
        CachedScenes(scenes).batch([0, -1])
    assert len(list(CachedScenes(scenes))) == 6
    with pytest.raises(ValueError, match="at least 1"):
        SceneDataset(0)


def test_a_cache_holds_the_same_scenes(scenes, tmp_path):
    path = tmp_path / "deep" / "scenes.pt"
    for cached in (CachedScenes(scenes), CachedScenes(scenes, path), CachedScenes(scenes, path)):
        for index in range(6):
            a, b = cached[index], scenes[index]
            assert equal(a, b, [name for name in EVERYTHING if name not in ("image", "normals")])
            assert (a.image - b.image).abs().max() <= 0.5 / 255 + 1e-6
            assert (a.normals - b.normals).abs().max() < 1e-3
    assert torch.equal(cached.batch([3]).image[0], cached[3].image)


def test_a_cache_is_read_and_not_rendered_again(scenes, tmp_path, monkeypatch):
    CachedScenes(scenes, tmp_path / "scenes.pt")
    monkeypatch.setattr(SceneDataset, "batch", None)
    assert len(CachedScenes(scenes, tmp_path / "scenes.pt")) == 6


def test_another_cache_is_not_taken_for_this_one(scenes, tmp_path):
    CachedScenes(scenes, tmp_path / "scenes.pt")
    with pytest.raises(ValueError, match="holds other scenes"):
        CachedScenes(SceneDataset(6, size=24, seed=3), tmp_path / "scenes.pt")


def test_fingerprints_tell_options_apart():
    prints = {
        SceneDataset(4, size=16, seed=seed, camouflage=share).fingerprint()
        for seed in (0, 1)
        for share in (0.0, 1.0)
    }
    assert len(prints) == 4
