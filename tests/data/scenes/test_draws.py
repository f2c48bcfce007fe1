import pytest
import torch

from dlcv.data.scenes.draws import Draws, mix, mix32


def test_mix_gives_every_input_its_own_output():
    bits = mix(torch.arange(1 << 16) * 65537)
    assert len(bits.unique()) == 1 << 16
    assert bits.min() >= 0
    assert bits.max() < 2**32


def test_both_widths_scramble_alike():
    bits = torch.arange(1 << 16) * 65537
    assert torch.equal(mix(bits), mix32(bits.int()).long() & 0xFFFFFFFF)


def test_a_number_depends_on_seed_scene_and_purpose_only():
    together = Draws(3, [4, 5, 6]).uniform("x", 2, 3)
    assert torch.equal(together[1:2], Draws(3, [5]).uniform("x", 2, 3))
    assert torch.equal(together[:, 0, :2], Draws(3, [4, 5, 6]).uniform("x", 2))
    for other in (Draws(4, [4, 5, 6]).uniform("x", 2, 3), Draws(3, [4, 5, 6]).uniform("y", 2, 3)):
        assert not torch.isclose(together, other).any()


def test_uniform_numbers_are_uniform():
    x = Draws(0, range(200)).uniform("x", 500)
    assert x.min() >= 0
    assert x.max() < 1
    counts = torch.histc(x.float(), 20, 0, 1)
    # 5000 in each bin, with standard deviation sqrt(5000 * 0.95) = 69
    assert (counts - 5000).abs().max() < 5 * 69
    # neighbours in scene and in counter do not resemble each other
    for a, b in ((x[:-1], x[1:]), (x[:, :-1], x[:, 1:])):
        assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs() < 0.02


def test_integers_and_chances():
    draws = Draws(1, range(1000))
    assert draws.integer("n", low=2, high=5).unique().tolist() == [2, 3, 4]
    assert draws.chance("c", 10, probability=0.25).double().mean() == pytest.approx(0.25, abs=0.02)
    assert not draws.chance("c", probability=0.0).any()
    assert draws.chance("c", probability=1.0).all()


def test_bad_numbers_fail_at_the_door():
    with pytest.raises(ValueError, match="numbers of scenes"):
        Draws(0, [-1])
