"""Gradescope's export: `submission_metadata.yml` says whose each folder is and when it was handed in.

The file is YAML as Ruby writes it: keys are symbols (`:submitters`), values may have Ruby's own tags, and a stray end
mark may cut it into several documents. It is data from outside and never makes an object.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import yaml

from .clock import UTC
from .lms import Claim, stamp

__all__ = ["METADATA", "read_metadata"]

METADATA = "submission_metadata.yml"


class _Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads what stands behind a tag and forgets the tag."""


def _untagged(loader: yaml.Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_scalar(node)


_Plain.add_multi_constructor("", _untagged)


def read_metadata(content: bytes) -> dict[str, list[Claim]]:
    """Read the metadata of one export.

    Returns
    -------
    dict
        For each folder (`submission_67890`) a claim for each of its submitters, whose `file` is not known yet.

    Raises
    ------
    ValueError
        It is no such file.
    """
    submissions: dict[str, Any] = {}
    content = re.sub(rb"^\.\.\.\s*$", b"---", content, flags=re.MULTILINE)  # a document needs a start, too
    try:
        for document in yaml.load_all(content, Loader=_Plain):
            submissions |= document or {}
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{METADATA} cannot be read: {str(error).splitlines()[0]}") from None
    return {str(folder): _claims(about) for folder, about in submissions.items() if isinstance(about, dict)}


def _claims(about: dict) -> list[Claim]:
    people = _value(about, "submitters")
    people = [person for person in people if isinstance(person, dict)] if isinstance(people, list) else []
    created = _value(about, "created_at")
    created = created.replace(tzinfo=created.tzinfo or UTC) if isinstance(created, datetime) else None
    number = _value(about, "id")
    given = {"stamp": stamp(created) if created else "", "number": number if isinstance(number, int) else 0}
    return [
        Claim("Gradescope", "", *(_text(person, key) for key in ("sid", "name", "email")), **given)
        for person in people
    ]


def _text(person: dict, key: str) -> str:
    value = _value(person, key)
    return "" if value is None else str(value).strip()


def _value(mapping: dict, key: str) -> Any:
    return mapping.get(f":{key}", mapping.get(key))


def folder_of(path: PurePosixPath, export: PurePosixPath) -> str | None:
    """The folder of a submission that `path` lies in, when `export` is the folder of the metadata."""
    if path.parent == export or not path.is_relative_to(export):
        return None
    return path.relative_to(export).parts[0]
