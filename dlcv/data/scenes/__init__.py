"""Rendered rooms and streets with exact labels: no files, any number, the same for everybody.

    scene = render([7], size=(256, 320), family="room")[0]
    scene.image, scene.semantic, scene.instance, scene.depth, scene.normals, scene.panoptic()

A scene is a list of convex solids on a plane. Rays are cast through the centres of the pixels, so all labels
come from the same hit and agree with one another exactly. Each file here holds one idea, in this order:
`options` (what can be asked), `draws` (random numbers), `solids` (three shapes), `camera`, `stage` (room and
street), `things`, `placement`, `materials`, `surfaces` (who gets which material), `layout` (all of it together),
`visibility` (what a pixel sees), `surface` (what is there), `shading`, `scene` (the result), `render`, `dataset`.
"""

from dlcv.data.scenes.dataset import CachedScenes, SceneDataset
from dlcv.data.scenes.options import CLASSES, STUFF, THINGS, VOID, SceneOptions
from dlcv.data.scenes.render import render
from dlcv.data.scenes.scene import Scene, SceneBatch, stack

__all__ = [
    "CLASSES",
    "STUFF",
    "THINGS",
    "VOID",
    "CachedScenes",
    "Scene",
    "SceneBatch",
    "SceneDataset",
    "SceneOptions",
    "render",
    "stack",
]
