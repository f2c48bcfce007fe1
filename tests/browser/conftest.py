"""A JupyterLab and a browser, shared by all tests here; each test has copies of the notebooks to itself.

They take minutes, so they run where somebody asks for them (`make test-browser`), and where there is a browser.
"""

import shutil
from pathlib import Path

import pytest

from . import lab as workplace

HERE = Path(__file__).parent
PICTURES = workplace.ROOT / "build" / "screenshots"


def why_not(config) -> str:
    """What keeps these tests from running, in words; nothing, if nothing does."""
    if "browser" not in (config.option.markexpr or ""):
        return "asked for by `make test-browser`, or by -m browser"
    for package in ("playwright", "jupyterlab"):
        if not workplace.is_installed(package):
            return f"needs {package}: pip install -e '.[lab,grading,browser]'"
    if workplace.chromium() is None:
        return "needs Chromium; on Debian or Ubuntu: sudo apt install chromium"
    return ""


def pytest_collection_modifyitems(config, items):
    reason = why_not(config)
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chromium():
    with workplace.browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """The address of the server, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("notebooks")
    with workplace.server(folder, tmp_path_factory.mktemp("settings")) as address:
        yield address, folder


@pytest.fixture
def open_notebook(chromium, served, request):
    """A function that opens a copy of a chapter's student notebook; what it looked like in the end is kept."""
    address, folder = served
    opened = []

    def open_one(chapter: str) -> workplace.Lab:
        source = workplace.ROOT / "notebooks" / chapter / f"{chapter}.ipynb"
        # A path of its own: JupyterLab gives a path that it knows the kernel of before.
        copy = folder / f"{len(list(folder.iterdir())):02d}" / source.name
        copy.parent.mkdir()
        shutil.copy(source, copy)
        page = chromium.new_page(viewport={"width": 1200, "height": 1000})
        lab = workplace.Lab(page, address, copy.relative_to(folder).as_posix(), file=copy)
        opened.append(lab)
        return lab

    yield open_one
    PICTURES.mkdir(parents=True, exist_ok=True)
    for lab in opened:
        lab.page.screenshot(path=PICTURES / f"{request.node.name.replace('/', '-')}.png")
        lab.close()
