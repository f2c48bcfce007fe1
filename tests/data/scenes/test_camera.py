import torch

from dlcv.data.scenes.camera import Camera, focal_length, looking
from dlcv.data.scenes.draws import Draws
from dlcv.data.scenes.layout import lay_out
from dlcv.data.scenes.options import SceneOptions
from dlcv.data.scenes.solids import enter
from dlcv.data.scenes.visibility import met, repeat


def level(height=4, width=6):
    zero = torch.zeros(1, dtype=torch.float64)
    return Camera(height, width, zero + 3, looking(zero, zero), torch.zeros(1, 3, dtype=torch.float64))


def test_a_level_camera_looks_forward():
    rotation = level().rotation[0]
    right, down, forward = rotation.T.tolist()
    assert (right, down, forward) == ([1, 0, 0], [0, 0, -1], [0, 1, 0])


def test_rotations_are_rotations():
    angle = torch.linspace(-1, 1, 7, dtype=torch.float64)
    rotation = looking(angle, angle.flip(0) * 2)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand(7, 3, 3))
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(7, dtype=torch.float64))


def test_the_ray_of_the_principal_point_is_the_axis():
    camera = level()
    u, v = camera.centre
    assert (u, v) == (2.5, 1.5)
    assert camera.rays(torch.tensor([0]), torch.tensor([u]), torch.tensor([v]))[:, 0].tolist() == [0, 0, 1]
    assert camera.intrinsics()[0].tolist() == [[3, 0, 2.5], [0, 3, 1.5], [0, 0, 1]]


def test_the_opening_angle_sees_the_whole_height():
    assert focal_length(100, torch.tensor(90.0)).item() == torch.tensor(50.0).item()


def test_a_finer_camera_sees_the_same_view():
    camera, finer = level(), level().finer(2)
    scene = torch.tensor([0])
    # Pixel (1, 1) covers the finer pixels 2 and 3: their middle is its centre.
    coarse = camera.rays(scene, torch.tensor([1.0]), torch.tensor([1.0]))
    fine = finer.rays(scene, torch.tensor([2.5]), torch.tensor([2.5]))
    assert torch.allclose(coarse, fine)


def test_no_ray_outside_of_its_rectangle_meets_a_solid():
    layout = lay_out(Draws(0, range(6)), SceneOptions(things=(5, 8)), 24, 32)
    solids, camera = layout.solids, layout.camera
    listed = {
        (int(s), int(p))
        for number, pixel, _ in met(solids, camera)
        for s, p in zip(number, pixel, strict=True)
    }
    # All pairs, without rectangles.
    pixels = camera.height * camera.width
    found = set()
    for s in range(len(solids)):
        scene = int(solids.scene[s])
        place = torch.arange(pixels)
        rays = camera.rays(torch.full((pixels,), scene), place % camera.width, place // camera.width)
        world = camera.rotation[scene] @ rays
        o = solids.rotation[s].T @ (camera.position[scene] - solids.centre[s]) / solids.size[s]
        d = solids.rotation[s].T @ world / solids.size[s][:, None]
        t = enter(int(solids.kind[s]), o[:, None].expand_as(d), d, solids.taper[s].expand(pixels))
        found |= {(s, scene * pixels + int(p)) for p in torch.nonzero(t < torch.inf)[:, 0]}
    assert len(found) > 1000
    assert listed == found


def test_repeat_counts_within_each_repetition():
    number, count = repeat(torch.tensor([5, 6, 7]), torch.tensor([2, 0, 1]))
    assert (number.tolist(), count.tolist()) == ([0, 0, 2], [0, 1, 0])
