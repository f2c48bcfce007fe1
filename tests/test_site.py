"""The site is built once, with warnings as errors; then its pages are read as a browser without a network would."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from autograder.course import Course
from dlcv.checking import load_exercises

for module in ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_design", "sphinxcontrib.katex"):
    pytest.importorskip(module, reason="the site's packages are not installed: pip install 'dlcv[site]'")

ROOT = Path(__file__).resolve().parent.parent
COURSE = Course.open(root=ROOT)
# Attributes by which a page loads something when it is opened.
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """What a page loads, links to, shows and calls its places."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.loads, self.links, self.pictures, self.places, self.stack = [], [], [], set(), []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("id"):
            self.places.add(found["id"])
        if (
            tag in LOADS
            and found.get(LOADS[tag])
            and found.get("rel") not in ("index", "search", "next", "prev")
        ):
            self.loads.append(found[LOADS[tag]])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All pages by their path. Made pages go into docs/, where git ignores them."""
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "docs",
        str(out / "html"),
    ]
    done = subprocess.run([*command, "-d", str(out / "trees")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {
        str(path.relative_to(out / "html")): Page(path)
        for path in (out / "html").rglob("*.html")
        if "_static" not in path.parts
    }
    assert len(pages) > 20
    return pages


@pytest.fixture(scope="module")
def root(site):
    return site["index.html"].path.parent


def test_nothing_is_loaded_from_elsewhere(site):
    for name, page in site.items():
        assert [address for address in page.loads if urlsplit(address).netloc] == [], name


def test_what_is_loaded_is_there(site):
    for name, page in site.items():
        for address in page.loads:
            if not address.startswith("data:"):
                assert (page.path.parent / unquote(urlsplit(address).path)).is_file(), f"{name}: {address}"


def test_links_within_the_site_lead_somewhere(site, root):
    for name, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            assert target.exists(), f"{name}: {link}"
            if parts.fragment and target.suffix == ".html":
                there = site[str(target.relative_to(root.resolve()))]
                assert unquote(parts.fragment) in there.places, f"{name}: {link}"


def test_every_picture_can_be_read_aloud(site):
    for name, page in site.items():
        for picture in page.pictures:
            assert len(picture.get("alt") or "") > 15, f"{name}: {picture.get('src')}"
            assert not picture["alt"].startswith(("_images", "../")), f"{name}: {picture['alt']}"


@pytest.mark.parametrize("chapter", COURSE.chapters, ids=lambda chapter: chapter.name)
def test_a_chapter_has_its_page_its_place_on_the_map_and_its_mistakes(site, chapter):
    assert f"chapters/{chapter.folder}.html" in site
    assert (
        site["course.html"].links.count(f"chapters/{chapter.folder}.html") >= 2
    )  # in the table, and below it
    mistakes = site[f"mistakes/{chapter.folder}.html"].text
    for exercise in load_exercises(chapter.name).values():
        assert exercise.title.replace("'", "’").split("`")[0] in mistakes.replace("&#39;", "’")
        assert mistakes.count("<strong>") >= len(exercise.slips)


def test_the_map_says_what_a_chapter_builds_on(site):
    rows = re.findall(r"<tr.*?</tr>", site["course.html"].text, re.DOTALL)
    plain = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]
    (roi_align,) = [row for row in plain if row.startswith("04 RoI Align")]
    assert roi_align.startswith("04 RoI Align 01, 03 110 7 ")


def test_a_site_for_a_class_holds_no_answers(site):
    answers = [answer for answer in _answers() if len(answer.splitlines()) > 2]
    assert len(answers) > 20
    shown = "\n".join(page.text for name, page in site.items() if name.startswith(("chapters", "solved")))
    plain = unescape(re.sub(r"<[^>]+>", "", shown))
    assert "### BEGIN SOLUTION" not in plain
    assert [answer for answer in answers if answer in plain] == []


@pytest.mark.slow
def test_behind_the_switch_solutions_are_run_and_shown(tmp_path):
    """Of one chapter, in a copy of the site: `make site SOLUTIONS=1` runs them all, which takes its time."""
    for name in ("dlcv", "autograder", "solutions", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    left = shutil.ignore_patterns("_build", "chapters", "solved", "api", "mistakes")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=left)
    head, first, *_ = (ROOT / "course.toml").read_text(encoding="utf-8").split("[[chapters]]")
    (tmp_path / "course.toml").write_text(f"{head}[[chapters]]{first}", encoding="utf-8")
    only = "exclude_patterns=_build,api,chapters,mistakes,[!i]*.md"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-t", "solutions", "-D", only, "-b", "html", "docs", "html"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DLCV_PROGRESS": str(tmp_path / "progress.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "solved" / "00_orientation.html").read_text(encoding="utf-8")
    plain = unescape(re.sub(r"<[^>]+>", "", page))
    assert "return scores.argmax(dim=0)" in plain
    assert "2 of 2 points" in plain  # it was run
    assert "BEGIN SOLUTION" not in page and "check.grade" not in plain
    assert "Traceback" not in plain
    assert not (tmp_path / "progress.json").exists()  # nobody has solved anything


@pytest.mark.slow
def test_on_a_solutions_page_a_quick_training_is_no_result(monkeypatch):
    """What it printed is left out, all pictures are those that are stored, and what comes after it can use it."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    solved = importlib.import_module("solved").solved
    draw = "display({'image/png': 'bmV3'}, raw=True)"
    cells = [
        a_cell("experiment", f"network = 'hardly trained'; print(0.03); {draw}"),
        a_cell("widget", f"print(network); {draw}"),
        a_cell("given", "import os; print(os.environ['DLCV_SCALE'])"),
        a_cell("experiment", "print(0.02)", stored=False),
    ]
    shown = solved(nbformat.v4.new_notebook(cells=cells), ROOT).cells
    assert texts(shown) == ["", "hardly trained", "smoke", ""]
    assert [pictures(cell) for cell in shown] == [["b2xk"], ["b2xk"], [], []]


def a_cell(role, source, stored=True):
    picture = nbformat.v4.new_output("display_data", {"image/png": "b2xk"})
    outputs = [picture] if stored and role != "given" else []
    return nbformat.v4.new_code_cell(source, metadata={"dlcv": {"role": role}}, outputs=outputs)


def texts(cells):
    return ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in cells]


def pictures(cell):
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


def _answers():
    """The lines between the markers, as they stand in the solutions."""
    for path in (ROOT / "solutions").glob("*/*.py"):
        for answer in re.findall(
            r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", path.read_text("utf-8"), re.DOTALL
        ):
            yield answer.strip()


def test_there_is_a_search(site, root):
    index = (root / "searchindex.js").read_text(encoding="utf-8")
    assert "checkerboard" in index
