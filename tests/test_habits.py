"""What whoever carries on relies on: spelling, hooks before a commit, templates and numbers that agree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def spelling(files, **options):
    return subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml"), *files],
        cwd=ROOT, capture_output=True, text=True, **options,
    )  # fmt: skip


def test_words_are_spelt():
    pytest.importorskip("codespell_lib")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = (".py", ".md", ".toml", ".yml", ".yaml", ".cff", ".css", ".html", ".txt")
    done = spelling([name for name in listed.stdout.split("\0") if name.endswith(texts)])
    assert done.stdout == ""


def test_a_wrong_word_is_seen(tmp_path):
    pytest.importorskip("codespell_lib")
    page = tmp_path / "page.md"
    page.write_text("How to rec" + "ieve a message.\n")
    assert "receive" in spelling([str(page)]).stdout


def test_the_hook_before_a_commit_formats_as_the_tests_do():
    hooks = {repo["repo"]: repo for repo in read(".pre-commit-config.yaml")["repos"]}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for name, address in (
        ("ruff", "astral-sh/ruff-pre-commit"),
        ("codespell", "codespell-project/codespell"),
    ):
        revision = hooks[f"https://github.com/{address}"]["rev"]
        assert f"\n{name}=={revision.removeprefix('v')}\n" in pins, name


def test_the_hook_for_notebooks_is_a_command_that_exists():
    (local,) = (repo for repo in read(".pre-commit-config.yaml")["repos"] if repo["repo"] == "local")
    (hook,) = local["hooks"]
    done = subprocess.run(
        [sys.executable, *hook["entry"].split()[1:], "--help"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0
    for path in ("solutions/04_roi_align/04_roi_align.py", "course.toml", "dlcv/metrics/exercises.py"):
        assert re.search(hook["files"], path), path
    assert not re.search(hook["files"], "autograder/cli.py")


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert set(citation) >= {"cff-version", "message", "title", "authors"}
    assert " AND ".join(sorted(citation["license"], reverse=True)) == PROJECT["license"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_templates_ask_for_something(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    assert any(part.get("validations", {}).get("required") for part in form["body"])
    asked = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(asked)) == len(asked) > 1


def test_the_changes_name_this_version():
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
