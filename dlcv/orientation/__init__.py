"""Chapter 00: five flavours of dense prediction on one scene, and how this course works."""

from dlcv.orientation.reference import group_by_colour, name_groups, warm_up

__all__ = ["group_by_colour", "name_groups", "warm_up"]
