"""Magics and shell lines do nothing in a graded run; Python stays what it is."""

import pytest

from autograder.magics import plain_python


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install torch\nx = 1", "pass\nx = 1"),
        ("x = !ls\ny = 2", "x = None\ny = 2"),
        ("x = %timeit -o f()\ny = 2", "x = None\ny = 2"),
        ("torch.zeros?", "pass"),
        ("?torch.zeros\n??x", "pass\npass"),
        ("if True:\n    %time y = 3", "if True:\n    pass"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("\n%%timeit -n 3\nx = 1", "\npass\nx = 1"),
    ],
)
def test_magics_become_nothing(source, plain):
    assert plain_python(source) == plain


@pytest.mark.parametrize(
    "source",
    [
        "x = (7\n% 2)",
        'text = """\n%matplotlib inline\n!ls\n"""',
        "x = 'why?'",
        "def f(x):\n    return x %2",
        "# what is this?\nx = 1",
        "",
    ],
)
def test_python_is_left_alone(source):
    assert plain_python(source) == source


@pytest.mark.parametrize("source", ["%%bash\nls\nrm x", "%%html\n<b>x</b>", "%%writefile a.py\nimport os"])
def test_cells_in_other_languages_are_left_out(source):
    plain = plain_python(source)
    assert plain.strip() == "pass"
    assert plain.count("\n") == source.count("\n")


@pytest.mark.parametrize("source", ["def f(:\n    pass", "x = = 1", "(", "%s\n(", "def f():\nreturn 1"])
def test_wrong_python_stays_wrong(source):
    with pytest.raises(SyntaxError):
        compile(plain_python(source), "cell", "exec")


def test_strange_text_does_no_harm():
    assert plain_python("x = '\0'") == "x = '\0'"
    plain_python("(" * 5000)
    plain_python("\n".join(["%magic"] * 500))


@pytest.mark.parametrize("wrong", [" " * 150_000 + "x x", "x" + " [" * 75_000, "\n" * 150_000 + "x x"])
def test_long_wrong_lines_are_read_once(wrong):
    """With a pattern that tries each way to divide a line, this takes minutes and holds up the whole class."""
    assert plain_python(wrong) == wrong
