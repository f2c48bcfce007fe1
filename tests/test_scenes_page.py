"""docs/scenes.md: its examples run, its tables list what there is, its pictures exist."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import pytest

from dlcv.data.scenes import CLASSES, Scene, SceneOptions

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scenes.md"
TEXT = PAGE.read_text(encoding="utf-8")


def names_in_table(heading):
    """Names in backticks in the first column of the table with this heading."""
    table = re.search(rf"^\| {heading} \|.*?\n\n", TEXT, re.MULTILINE | re.DOTALL)[0]
    return [
        name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)", row.split("|")[1])
    ]


def test_the_examples_run():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert tried >= 10
    assert failed == 0


def test_every_option_is_listed_with_its_default():
    assert names_in_table("option") == [field.name for field in fields(SceneOptions)]
    for name, default in re.findall(r"^\| `(\w+)` \| (\S.*?) \|", TEXT, re.MULTILINE):
        if name in SceneOptions.__dataclass_fields__ and default != "all":
            value = getattr(SceneOptions(), name)
            wanted = default.strip("`")
            assert wanted == (
                f'"{value}"'
                if isinstance(value, str)
                else f"{value:g}"
                if isinstance(value, float)
                else str(value)
            )


def test_everything_in_a_scene_is_listed():
    listed = set(names_in_table("of a scene"))
    assert {field.name for field in fields(Scene)} | {"masks", "panoptic"} == listed
    assert set(CLASSES) <= set(re.findall(r"`(\w+)`", TEXT))


@pytest.mark.parametrize("name", re.findall(r"\]\((images/[^)]+)\)", TEXT))
def test_pictures_exist(name):
    assert (PAGE.parent / name).stat().st_size > 10_000
