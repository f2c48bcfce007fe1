"""One submission graded: the trusted side of it, from the bytes that came in to the texts that go out.

`Grader` makes a `Graded` from a `Job` under a `Plan`, and writes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .course import CourseError
from .flags import flags_of, out_of_date, told, troubles
from .graded import Graded, essays
from .grants import Grants
from .job import Job
from .plan import Plan
from .record import Result
from .sandbox import Sandbox
from .submission import Submission, open_submission
from .wire import Gone

if TYPE_CHECKING:
    from .restore import Restored

__all__ = ["Grader"]


class Grader:
    """Grades one submission at a time. It may be made before workers are forked, so that they share what it holds.

    Parameters
    ----------
    plan : Plan
        What all submissions have in common.
    judges : dict
        The judge of each exercise that a job may ask for, with the course's own seed.
    sandbox : Sandbox, optional
        Where learners' code runs; not needed for jobs that judge nothing.
    """

    def __init__(self, plan: Plan, judges: dict, sandbox: Sandbox | None):
        self.plan, self.release, self.judges, self.sandbox = plan, plan.release, judges, sandbox
        self.grants = Grants.of(judges)

    @classmethod
    def prepare(cls, plan: Plan, sandbox: Sandbox | None) -> Grader:
        """Make the judges: all cases, expected values and slip outputs, once for the whole class.

        With a seed a student these only show that cases can be made; see `judges_of`.
        """
        import torch

        from dlcv.checking import EngineError, Judge

        torch.set_num_threads(1)  # workers may be forked from this process
        judges = {}
        for name, exercise in plan.exercises.items():
            if plan.judged is not None and name not in plan.judged:
                continue
            try:
                judges[name] = Judge(exercise, seed=plan.seeds.secret)
            except EngineError as error:
                raise CourseError(f"{plan.release.assignment}: {error}") from None
            if not plan.seeds.per_student:
                for slip in exercise.slips:
                    judges[name].slip_replies(slip)
        return cls(plan, judges, sandbox)

    def judges_of(self, job: Job) -> dict[str, Any]:
        """The judge of each exercise that a job asks for: everybody's, or made anew with the student's own seed.

        What slips answer to a student's own cases is worked out when an answer is wrong, not before.
        """
        from dlcv.checking import Judge

        asked = {name: judge for name, judge in self.judges.items() if job.asks_for(name)}
        if not self.plan.seeds.per_student:
            return asked
        seed = self.plan.seeds.of(job.student)
        return {name: Judge(judge.exercise, seed=seed) for name, judge in asked.items()}

    def leave(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()

    def grade(self, job: Job) -> Graded:
        """Grade one submission."""
        from .examine import SandboxFailed

        try:
            return self._graded(job)
        except (Gone, SandboxFailed):
            # The warm interpreter did not survive; a new one, and once more.
            self.sandbox = self.sandbox.another()
            return self._graded(job)

    def _graded(self, job: Job) -> Graded:
        from .autograded import autograded_notebook
        from .restore import restore

        submission = open_submission(job.handed_in)
        restored = restore(submission.cells, self.release)
        if submission.problem:
            restored.flags.clear()
            submission.flags.insert(0, submission.problem)
        result = self._examined(job, submission, restored)
        notebook, cut = autograded_notebook(restored, self.release, result.verdicts)
        result.essays = essays(self.release, restored)
        result.flags = [
            *submission.flags, *restored.flags, *cut, *flags_of(result, job), *out_of_date(self.plan, job, result),
        ]  # fmt: skip
        return Graded.of(self.plan, job, result, notebook)

    def _examined(self, job: Job, submission: Submission, restored: Restored) -> Result:
        """Judge what the job asks for; take the rest from the earlier record."""
        from .examine import Examination, examine, without_a_run

        judges = self.judges_of(job)
        earlier = job.earlier or Result(job.student, self.release.assignment, self.release.chapter, {})
        if submission.problem:
            examined = without_a_run(judges, submission.problem)
        elif judges:
            examined = examine(restored, judges, self.sandbox, self.grants)
        else:
            examined = Examination({})
        known = {**earlier.verdicts, **examined.verdicts}
        found = replace(
            earlier,
            verdicts={name: known[name] for name in self.release.tests},
            problem=submission.problem,
            answers={name: restored.answer_source(name) or "" for name in self.release.tests},
            file=job.handed_in.file,
            digests=job.digests(self.plan),
            basis={**earlier.basis, **{name: self.plan.basis(name, job) for name in judges}},
            ran=list(judges),
        )
        if not judges:
            return found
        return replace(
            found,
            errors=told(examined),
            troubles=troubles(examined),
            seconds=round(examined.seconds, 3),
            restarts=examined.restarts,
            walls=self.sandbox.walls if self.sandbox else earlier.walls,
        )
