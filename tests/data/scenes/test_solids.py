import pytest
import torch

from dlcv.data.scenes.solids import (
    BALL,
    BOX,
    FRUSTUM,
    dot,
    enter,
    gather,
    implicit,
    outward,
    turned,
    turned_back,
)

KINDS = [(BALL, 1.0), (BOX, 1.0), (FRUSTUM, 1.0), (FRUSTUM, 0.4), (FRUSTUM, 0.0)]


def rays(count=4000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    o = torch.randn(3, count, generator=generator, dtype=torch.float64)
    o = o / dot(o, o).sqrt() * 4
    target = torch.rand(3, count, generator=generator, dtype=torch.float64) * 2.6 - 1.3
    return o, target - o


@pytest.mark.parametrize(("kind", "taper"), KINDS)
def test_rays_enter_at_the_first_point_of_the_surface(kind, taper):
    o, d = rays()
    kinds, tapers = torch.full((o.shape[1],), kind), torch.full((o.shape[1],), taper, dtype=torch.float64)
    t = enter(kind, o, d, tapers)
    hit = t < torch.inf
    assert 0.2 < hit.double().mean() < 0.95
    at = o[:, hit] + t[hit] * d[:, hit]
    assert implicit(kinds[hit], at, tapers[hit]).abs().max() < 1e-9
    # Nothing of the solid lies on the way there, and rays that miss it stay outside: walk along them.
    for share in torch.linspace(0, 1, 400, dtype=torch.float64):
        reach = torch.where(hit, t * (share * 0.9999), share * 3)
        assert implicit(kinds, o + reach * d, tapers).min() > -1e-6


@pytest.mark.parametrize(("kind", "taper"), KINDS)
def test_a_ray_that_starts_on_the_surface_enters_nothing(kind, taper):
    """A surface point turned away from the lamp would else be in its own shadow, or not, as rounding has it."""
    o, d = rays()
    tapers = torch.full((o.shape[1],), taper, dtype=torch.float64)
    t = enter(kind, o, d, tapers)
    hit = t < torch.inf
    at = o[:, hit] + t[hit] * d[:, hit]
    away = torch.randn(at.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    again = enter(kind, at, away, tapers[hit])
    assert not ((again > 1e-6) & (again < torch.inf)).any()


@pytest.mark.parametrize(("kind", "taper"), KINDS)
def test_the_normal_is_the_gradient_of_the_implicit_function(kind, taper):
    o, d = rays(seed=1)
    count = o.shape[1]
    kinds, tapers = torch.full((count,), kind), torch.full((count,), taper, dtype=torch.float64)
    t = enter(kind, o, d, tapers)
    hit = t < torch.inf
    kinds, tapers, d = kinds[hit], tapers[hit], d[:, hit]
    p = (o[:, hit] + t[hit] * d).requires_grad_()
    (gradient,) = torch.autograd.grad(implicit(kinds, p, tapers).sum(), p)
    normal = outward(kinds, p.detach(), tapers)
    cosine = dot(normal, gradient) / (dot(normal, normal) * dot(gradient, gradient)).sqrt()
    assert cosine.min() > 1 - 1e-9
    assert (dot(normal, d) <= 1e-9).all()  # it faces the ray


def test_literals():
    def ray(kind, o, d, taper=1.0):
        column = torch.tensor([o, d], dtype=torch.float64)
        return enter(
            kind, column[0][:, None], column[1][:, None], torch.tensor([taper], dtype=torch.float64)
        ).item()

    assert ray(BOX, (3, 0, 0), (-1, 0, 0)) == 2  # parallel to four faces
    assert ray(BOX, (3, 1.5, 0), (-1, 0, 0)) == float("inf")
    assert ray(BALL, (0, 0, 5), (0, 0, -2)) == 2
    assert ray(FRUSTUM, (3, 0, 0), (-1, 0, 0)) == 2
    assert ray(FRUSTUM, (3, 0, 0), (-1, 0, 0), taper=0.0) == 2.5  # a cone is half as wide in the middle
    assert ray(FRUSTUM, (0, 0, 3), (0, 0, -1), taper=0.0) == 2  # its apex
    assert ray(FRUSTUM, (0.5, 0, -3), (0, 0, 1), taper=0.0) == 2  # its base
    assert ray(BALL, (3, 0, 0), (1, 0, 0)) == float("inf")  # behind


def test_rotations_and_back():
    matrix = torch.linalg.qr(torch.randn(5, 3, 3, dtype=torch.float64)).Q
    number = torch.tensor([0, 4, 4, 2])
    v = torch.randn(3, 4, dtype=torch.float64)
    rows = gather(matrix, number)
    expected = (matrix[number] @ v.T[..., None])[..., 0].T
    assert torch.allclose(turned(rows, v), expected)
    assert torch.allclose(turned_back(rows, turned(rows, v)), v)
