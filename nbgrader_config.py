"""nbgrader's configuration: its own commands, run from this folder, work on the course in course/."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from autograder.course import Course  # noqa: E402
from autograder.preprocessors import RELEASE  # noqa: E402

course = Course.open(root=ROOT)

c = get_config()
c.CourseDirectory.course_id = course.name
c.CourseDirectory.root = str(course.folder)
c.CourseDirectory.db_url = course.db_url  # db_url in course.toml, or gradebook.db in course/
c.GenerateAssignment.preprocessors = RELEASE
c.Execute.timeout = 60  # seconds a cell
c.AssignLatePenalties.plugin_class = "autograder.late_plugin.CourseLatePenalty"

# The kernels that nbgrader starts inherit these: they find dlcv and draw graded cases from the secret seed.
os.environ.setdefault("DLCV_SEED", course.seed())
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
# nbgrader calls alembic by its name, which stands beside this interpreter also where no environment is activated.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
