"""Every verdict of the design, and the words that a learner reads."""

import signal

import numpy as np
import pytest
import torch

from dlcv.checking import Answer, Case, EngineError, Exercises, Judge, LearnerGone, Verdict, values
from dlcv.checking.answer import Reply
from dlcv.checking.compare import compare
from dlcv.checking.testing import (
    assert_right,
    assert_slips_die,
    assert_trivial_answers_earn_nothing,
    verdict_of,
)
from dlcv.checking.verdict import KINDS


def test_right(toy, paint):
    assert_right(toy["paint"], paint)


def test_every_slip_dies_with_its_own_diagnosis(toy):
    assert_slips_die(toy["paint"], at_least=2)


def test_trivial_answers_earn_nothing(toy):
    assert_trivial_answers_earn_nothing(toy["paint"])


def test_a_variant_in_another_precision_passes(toy, paint):
    assert_right(toy["paint"], lambda x, weight, stride=1: paint(x.double(), weight.double(), stride))


@pytest.mark.parametrize(
    ("dtype", "words"), [(torch.int64, "an int64 tensor"), (torch.uint8, "a uint8 tensor")]
)
def test_a_tensor_has_its_article(dtype, words):
    assert values.in_words(torch.zeros(2, dtype=dtype)) == f"{words} of shape (2,)"


def test_an_array_where_torch_is_wanted_is_said_in_a_sentence(toy):
    verdict = verdict_of(toy["paint"], lambda x, weight, stride=1: torch.from_numpy(x.numpy()))
    assert verdict.kind == "forbidden call"
    assert "This exercise asks for torch from beginning to end" in verdict.text()


def stub(x, weight, stride=1):
    raise NotImplementedError("paint")


def crashes(x, weight, stride=1):
    missing = x[100]
    return missing


def shorter(paint):
    return lambda x, weight, stride=1: paint(x, weight, stride)[:-1]


def whole_numbers(paint):
    return lambda x, weight, stride=1: paint(x, weight, stride).long()


def nothing(paint):
    return lambda x, weight, stride=1: None


def a_list(paint):
    return lambda x, weight, stride=1: paint(x, weight, stride).tolist()


def changes(paint):
    def answer(x, weight, stride=1):
        out = paint(x, weight, stride)
        weight.data.mul_(2)
        return out

    return answer


def exits(paint):
    def answer(x, weight, stride=1):
        raise SystemExit(0)

    return answer


def endless(paint):
    def answer(x, weight, stride=1):
        while True:
            pass

    return answer


def leaves_while_it_speaks(paint):
    class Own(Exception):
        def __str__(self):
            raise SystemExit

    def answer(x, weight, stride=1):
        raise Own

    return answer


def off_by_a_little(paint):
    return lambda x, weight, stride=1: paint(x, weight, stride) + 0.125


def matrix_product(paint):
    return lambda x, weight, stride=1: paint(x, weight, stride) * (x @ x) / (x @ x)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (lambda paint: stub, "not attempted", "still raises NotImplementedError"),
        (lambda paint: crashes, "crashed", "missing = x[100]"),
        (shorter, "wrong shape", "yours has shape"),
        (whole_numbers, "wrong shape", "yours has dtype int64, expected float32"),
        (nothing, "wrong shape", "you returned None; expected a float32 tensor of shape (5,)"),
        (a_list, "wrong shape", "you returned a list of 5"),
        (changes, "changed its inputs", "the values of weight"),
        (exits, "crashed", "SystemExit"),
        (endless, "too slow", "no answer after 0.3 seconds"),
        (leaves_while_it_speaks, "crashed", "Own: (its message could not be made)"),
        (off_by_a_little, "wrong values", "largest error 0.125"),
        (matrix_product, "forbidden call", "ready-made matrix product"),
    ],
)
def test_verdicts(toy, paint, answer, kind, says):
    exercise = toy["paint"]
    exercise.limit = 0.3
    reply = Answer(answer(paint), exercise.watch, interrupt=True).reply
    verdict = Judge(exercise).verdict(reply)
    assert verdict.kind == kind in KINDS
    assert says in verdict.text()
    assert verdict.points < verdict.max_points


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_an_endless_answer_ends_where_interrupts_are_ignored(toy, paint, handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        test_verdicts(toy, paint, endless, "too slow", "no answer after 0.3 seconds")
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("reason", "kind", "says"),
    [
        ("timeout", "too slow", "no answer after"),
        ("memory", "crashed", "more memory"),
        ("killed", "crashed", "ended its own process"),
        ("bad message", "crashed", "channel"),
    ],
)
def test_a_learner_who_is_gone_costs_the_rest_of_the_exercise(toy, reason, kind, says):
    exercise = toy["paint"]
    honest = Answer(exercise.reference)
    asked = []

    def ask(request):
        asked.append(request)
        if len(asked) > 2:
            raise LearnerGone(reason)
        return honest.reply(request)

    verdict = Judge(exercise).verdict(ask)
    assert len(asked) == 3
    assert (verdict.kind, verdict.passed) == (kind, 2)
    assert says in verdict.text()


def test_smoke_cases_earn_only_beside_a_real_pass(toy):
    exercise = toy["paint"]
    verdict = verdict_of(
        exercise, lambda x, weight, stride=1: x.new_zeros((len(x) - 1) * stride + len(weight))
    )
    assert (verdict.passed, verdict.points) == (1, 0.0)


def test_a_lucky_constant_earns_nothing(toy):
    counting = toy.function("count", lambda x: int(x.sum()), points=2)
    counting.cases(lambda draw: [Case(torch.ones(n)) for n in (2, 2, 3, 4, 2)])
    assert verdict_of(counting, lambda x: 2).points == 0
    assert verdict_of(counting, lambda x: min(int(x.sum()), 3)).points == 1.6
    assert_trivial_answers_earn_nothing(counting)


@pytest.mark.parametrize("constant", [0.0, 1.0, torch.zeros(()), torch.ones(())])
def test_a_share_of_nothing_or_of_all_is_a_lucky_constant(toy, constant):
    average = toy.function("average", lambda x: x.mean(), points=2)
    average.cases(lambda draw: [Case(torch.tensor(x)) for x in ([0.0, 0.0], [1.0], [0.5, 1.0], [2.0, 0.2])])
    assert verdict_of(average, lambda x: constant).points == 0
    assert verdict_of(average, lambda x: x.mean().clamp(max=1.0)).points == 1.5


@pytest.mark.parametrize("claimed", [float("nan"), float("inf"), -1.0])
def test_a_childs_word_on_its_time_stays_a_number(claimed):
    assert 0 <= Reply.from_bytes(Reply(1, seconds=claimed).to_bytes()).seconds < 1e6


def test_a_crash_of_another_kind_is_not_taken_for_a_slips(toy, paint):
    def raising(words):
        def answer(x, weight, stride=1):
            if stride == 3:
                raise ValueError(words)
            return paint(x, weight, stride)

        return answer

    toy["paint"].slip("no gaps", "Your filter cannot leave gaps.")(raising("no room"))
    assert verdict_of(toy["paint"], raising("no room")).slip == "no gaps"
    assert verdict_of(toy["paint"], raising("out of paint")).slip == ""


def test_arguments_that_a_probe_hands_on_have_the_answers_names(toy, paint):
    case = Case(torch.ones(2), torch.ones(3), 2, probe="dlcv.losses.probes:to_the_logits")
    toy["paint"].cases(lambda draw: [case])
    told = verdict_of(toy["paint"], lambda x, weight, stride=1: 2 * paint(x, weight, stride)).text()
    assert "tried as paint(logits=[1, 1], weight=[1, 1, 1], stride=2)" in told


def test_failure_of_our_own_is_not_the_learners(toy, paint):
    exercise = toy["paint"]

    def broken(request):
        raise ZeroDivisionError("a bug in the engine")

    verdict = Judge(exercise).verdict(broken)
    assert verdict.kind == "engine error"
    assert "says nothing about your answer" in verdict.text()
    assert "ZeroDivisionError" in verdict.text()


def test_reference_that_crashes_is_an_engine_error(toy):
    exercise = toy["paint"]
    exercise.cases(lambda draw: [Case(torch.ones(2), None)])
    with pytest.raises(EngineError, match="the reference of 'paint' raised"):
        Judge(exercise)
    exercise.cases(lambda draw: [])
    with pytest.raises(EngineError, match="no cases"):
        Judge(exercise)


def test_published_arguments_are_shown_and_secret_ones_are_not(toy, paint):
    wrong = off_by_a_little(paint)
    assert "called as paint(x=[" in verdict_of(toy["paint"], wrong).text()
    assert "called as" not in verdict_of(toy["paint"], wrong, "secret").text()


def test_seed_decides_the_cases(toy):
    def arguments(seed):
        return [case.args[0] for case in toy["paint"].make_cases(seed)]

    first, again, other = arguments("a"), arguments("a"), arguments("b")
    assert all(torch.equal(p, q) for p, q in zip(first, again, strict=True))
    assert not all(p.shape == q.shape and torch.equal(p, q) for p, q in zip(first, other, strict=True))


def test_verdict_survives_json(toy, paint):
    import json

    verdict = verdict_of(toy["paint"], off_by_a_little(paint))
    again = Verdict.from_dict(json.loads(json.dumps(verdict.to_dict())))
    assert again == verdict


def test_reply_survives_the_crossing(toy):
    replies = [
        Answer(f, toy["paint"].watch).reply(r) for f in (crashes, stub) for r in Judge(toy["paint"]).requests
    ]
    for reply in replies:
        assert Reply.from_bytes(reply.to_bytes()).crash == reply.crash


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]), True),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 0.0]), False),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")]), True),
        (torch.tensor([float("inf")]), torch.tensor([float("-inf")]), False),
        (torch.tensor([1.0]), torch.tensor([float("nan")]), False),
        (torch.tensor([1e6]), torch.tensor([1e6 + 1.0]), True),
        (torch.tensor([1.0]), torch.tensor([1.001]), False),
        (torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32), True),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0]), False),
        (torch.tensor([True]), torch.tensor([1]), False),
        (torch.tensor(2.0), 2.0, True),
        (torch.tensor(2.0), True, False),
        (torch.zeros(0), torch.zeros(0), True),
        (torch.zeros(2, 0), torch.zeros(0, 2), False),
        (torch.ones(2), np.ones(2), False),
        (3, 3, True),
        (3, torch.tensor(3), True),
        (3, 3.5, False),
        (3, True, False),
        (0.5, 0.5000001, True),
        (0.5, "0.5", False),
        ((1, 2), [1, 2], True),
        ((1, 2), (1, 2, 3), False),
        ((1, (2.0,)), (1, (2.5,)), False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        (None, None, True),
        (None, 0, False),
        (True, True, True),
        (True, 1, False),
    ],
)
def test_compare(expected, got, same):
    assert (compare(expected, got, 1e-4) is None) == same


def test_arrays_where_they_are_allowed():
    assert compare(torch.ones(2), np.ones(2), 1e-4, numpy=True) is None
    assert compare(torch.tensor(1.0), np.float64(1.0), 1e-4) is None


def test_picture_holds_both_maps():
    difference = compare(torch.zeros(1, 2, 3), torch.ones(1, 2, 3), 1e-4)
    assert difference.picture == {"expected": [[0.0] * 3] * 2, "yours": [[1.0] * 3] * 2}


def test_largest_error_is_named_with_its_place():
    got = torch.zeros(2, 3)
    got[1, 2] = 5
    assert "largest error 5 at [1, 2]: yours 5, expected 0" in compare(torch.zeros(2, 3), got, 1e-4).message


def test_a_difference_in_one_of_several_results_says_in_which():
    expected, got = (torch.zeros(2), torch.zeros(2, 2)), (torch.zeros(2), torch.eye(2))
    message = compare(expected, got, 1e-4).message
    assert message.startswith("largest error 1 at [0, 0] in part 2 of 2 of your answer: yours 1, expected 0")
    assert compare([1, [2, 3]], [1, [2, 4]], 1e-4).message.endswith("in part 2 of 2 of your answer, part 2")


def test_a_number_has_no_gradient():
    """A loss that is returned as a plain number is the right number, and nobody can learn from it."""
    chapter = Exercises("toy")
    loss = chapter.function("loss", lambda x: (x**2).mean(), points=2)

    @loss.cases
    def _(draw):
        yield Case(draw.normal((4,)), words="four numbers")
        yield Case(draw.normal((4,)), words="a gradient", gradient=True)

    assert_right(loss, lambda x: x.pow(2).sum() / len(x))
    for lost in (lambda x: float((x**2).mean()), lambda x: (x.detach() ** 2).mean()):
        verdict = verdict_of(loss, lost)
        assert (verdict.points, verdict.case) == (1, "a gradient")
        assert "no gradient flows back" in verdict.text()
    assert "you returned the float" in verdict_of(loss, lambda x: float((x**2).mean())).text()


def test_a_number_will_do_where_nothing_depends_on_the_inputs():
    chapter = Exercises("toy")
    count = chapter.function("count", lambda x: torch.tensor(float(len(x))), points=2)

    @count.cases
    def _(draw):
        yield Case(draw.normal((4,)), words="four", gradient=True)
        yield Case(draw.normal((7,)), words="seven", gradient=True)

    assert_right(count, lambda x: float(len(x)))
