import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("checking_toy", Path(__file__).with_name("toy.py"))
toy_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(toy_module)


@pytest.fixture
def toy():
    return toy_module.make()


@pytest.fixture
def paint():
    return toy_module.paint
