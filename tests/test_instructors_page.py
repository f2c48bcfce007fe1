"""docs/instructors.md: its commands and options exist, and it lists what the code knows."""

import re
from pathlib import Path

import pytest

from autograder import collect
from autograder.cli import main
from autograder.roster import KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
TYPED = [
    line
    for block in re.findall(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", [line for line in TYPED if line.startswith("autograder ")])
def test_a_command_is_as_it_is(line):
    _, name, *arguments = line.split()
    options = {option for parameter in main.commands[name].params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= options


def test_every_command_of_the_path_is_shown():
    shown = {line.split()[1] for line in TYPED if line.startswith("autograder ")}
    assert shown == {"release", "collect", "grade", "feedback", "report", "export"}


def test_options_in_the_text_exist():
    known = {
        option
        for command in main.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"`(--[a-z]+)\b", PAGE)) <= known | {"--help"}


def test_every_status_is_explained():
    section = PAGE.partition("## Collect")[2].partition("##")[0]
    names = re.findall(r"^\| ([a-z *]+) \|", section, re.MULTILINE)
    listed = {name.strip("*"): name.startswith("*") for name in names}
    del listed["it says"]
    settled = (collect.TAKEN, collect.UNCHANGED, collect.EARLIER, collect.EXTRA, collect.IGNORED)
    assert listed == dict.fromkeys(settled, False) | dict.fromkeys(collect.TO_LOOK_AT, True)


def test_every_kind_of_roster_is_listed():
    rows = PAGE.partition("## The roster")[2].partition("## ")[0]
    listed = [
        set(re.findall(r"`([^`]+)`", row.split("|")[2])) for row in rows.splitlines() if row.count("|") == 4
    ]
    assert [columns for columns in listed if columns] == [told_by for told_by, _ in KINDS.values()]
    for column in KINDS["own"][1]:
        assert f"`{column}`" in rows


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = link.partition("#")
        assert not file or (ROOT / "docs" / file).exists(), link
        assert not anchor or f"## {anchor.replace('-', ' ')}" in PAGE.lower(), link
