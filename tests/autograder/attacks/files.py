"""Reading what must not be read, writing where nothing may be written, and the network."""

from __future__ import annotations

from .attack import CASES, PAINT, SIZE, Attack
from .cells import paint

LOOK_UP = paint("return table.get(key(x, weight, stride), torch.zeros(1)) + 0 * x.sum() * weight.sum()")
# Runs the answers of somebody else's notebook under the learner's name.
TAKE = (
    "import json\n"
    "taken = (lambda *_, **__: 0,) * 2\n"
    "for cell in json.load(open(path))['cells']:\n"
    "    source = ''.join(cell['source'])\n"
    "    if source.startswith('def ') and 'NotImplementedError' not in source:\n"
    "        exec(compile(source, '<cell 99>', 'exec'))\n"
    "taken = conv_transpose1d, output_size\n"
)
GIVE = {PAINT: "conv_transpose1d = taken[0]\n", SIZE: "output_size = taken[1]\n"}
# A folder hidden by a wall may be absent, or it may be refused.
HIDDEN = ("wrong shape", "wrong values", "crashed", "not attempted")


def _reads(name: str, gain: str, path: str, **other: object) -> Attack:
    return Attack(
        f"files-{name}",
        gain,
        cell=f"data = open('{path}', 'rb').read()\nif data: raise Reached('read {path}')\n",
        wall="files",
        **other,
    )


def _writes(name: str, gain: str, path: str, **other: object) -> Attack:
    """Opens for writing and changes nothing: that it can is enough."""
    return Attack(
        f"files-{name}",
        gain,
        cell=f"import glob\npath = (glob.glob('{path}') or ['{path}'])[0]\n"
        "with open(path, 'r+b'): raise Reached('could write to ' + path)\n",
        wall="files",
        **other,
    )


ATTACKS = [
    Attack(
        "files-seed",
        "With the seed all cases of the grading run can be made, and their answers tabulated.",
        cell=CASES + "seed = open('$course/secret_seed').read().strip()\n"
        "table = {key_of(case): answered(case) for case in make_cases(seed)}\n",
        cells=LOOK_UP,
        paint=HIDDEN,
        wall="files",
    ),
    Attack(
        "files-solution",
        "nbgrader's source notebook with the model solution stands in the course's folder.",
        cell="path = '$course/source/$assignment/$assignment.ipynb'\n" + TAKE,
        cells=GIVE,
        paint=HIDDEN,
        size=HIDDEN,
        wall="files",
    ),
    Attack(
        "files-neighbour",
        "Somebody else's submission, in the folder beside.",
        cell="path = '$course/submitted/ada/$assignment/$assignment.ipynb'\n" + TAKE,
        cells=GIVE,
        paint=HIDDEN,
        size=HIDDEN,
        wall="files",
    ),
    _reads("gradebook", "All marks of the class.", "$course/gradebook.db"),
    _reads(
        "private", "Whatever the grader's user can read: keys, mail, other courses.", "$outside/private.txt"
    ),
    _reads("solutions-folder", "The course's own sources with the solutions.", "$repository/course.toml"),
    Attack(
        "files-records",
        "Which folders there are tells who is in the class.",
        cell="import os\nif 'ada' in os.listdir('$course/submitted'): raise Reached('the class')\n",
        wall="files",
    ),
    _writes(
        "engine", "The engine that judges everybody after this one.", "$repository/dlcv/checking/verdict.py"
    ),
    _writes(
        "bytecode",
        "Compiled modules that the next interpreter, the grader's too, loads in place of the source.",
        "$repository/dlcv/checking/__pycache__/verdict.*.pyc",
    ),
    _writes("gradebook-write", "The marks themselves.", "$course/gradebook.db"),
    _writes(
        "neighbour-write",
        "The neighbour's submission, spoilt before it is graded.",
        "$course/submitted/ada/$assignment/$assignment.ipynb",
    ),
    Attack(
        "files-outside",
        "A file anywhere: a start-up file of the grader's user, a cron table, a note for the next learner.",
        cell="open('$outside/$name', 'w').write('here')\n",
        wall="files",
    ),
    *(
        Attack(
            f"files-notes-{half}",
            "Two who are graded in the same night pass notes: in shared folders, or in the other's scratch folder.",
            cell="import os, time\n"
            "for folder in ('..', os.environ['HOME'], '/tmp', '/var/tmp', '/dev/shm', '/run'):\n"
            "    try:\n"
            "        others = [n for n in os.listdir(folder) if n.startswith('note-') and '$name' not in n]\n"
            "        open(os.path.join(folder, 'note-$name'), 'w').close()\n"
            "    except OSError: continue\n"
            "    if others: raise Reached(others[0])\n"
            "time.sleep(0.5)\n",
            wall="files",
        )
        for half in ("first", "second")
    ),
    Attack(
        "files-rights",
        "Who may not write to a file may still take it away from everybody: rights, owners and times.",
        cell="import os\n"
        "for change in (lambda p: os.chmod(p, 0o600), os.utime, lambda p: os.chown(p, -1, -1)):\n"
        "    for path in ('$outside/private.txt', '$course/gradebook.db'):\n"
        "        try: change(path)\n"
        "        except OSError: continue\n"
        "        raise Reached('changed ' + path)\n",
        wall="files",
    ),
    Attack(
        "files-cut-short",
        "A file need not be opened to be emptied.",
        cell="import os\n"
        "os.truncate('$outside/private.txt', os.stat('$outside/private.txt').st_size)\n"
        "raise Reached('could cut a file short')\n",
        wall="files",
    ),
    Attack(
        "files-link-in-scratch",
        "The grader cleans up behind the link: whatever it points to is deleted.",
        cell="import os\nos.symlink('$outside/keep', 'keep')\nos.symlink('$outside', 'outside')\n",
    ),
    Attack(
        "files-scratch-locked",
        "A folder that nobody may enter cannot be deleted, and the disk fills by and by.",
        cell="import os\n"
        "os.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)\nos.chmod('.', 0)\n",
    ),
    Attack(
        "files-scratch-deep",
        "Folders nested so deep that whoever deletes them by recursion dies of it.",
        cell="import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n",
    ),
    Attack(
        "files-disk",
        "Many files, each within its limit, fill the disk: gradebook and records cannot be written.",
        cell="import os\n"
        "written = 0\n"
        "for number in range(12):\n"
        "    with open(f'bomb-{number}', 'wb') as file: written += file.write(bytes(6 * 2**20))\n"
        "if written > 64 * 2**20: raise Reached(f'{written >> 20} MB on the disk')\n",
        wall="disk",
    ),
    Attack(
        "files-one-file",
        "One file without end fills the disk.",
        cell="with open('bomb', 'wb', buffering=0) as file:\n"
        "    written = 0\n"
        "    while written < 2**26: written += file.write(bytes(2**20))\n"
        "raise Reached(f'{written >> 20} MB in one file')\n",
    ),
    Attack(
        "files-shared-memory",
        "Files in memory count for nobody's memory.",
        cell="import os\n"
        "written, kept = 0, []\n"
        "for number in range(12):\n"
        "    fd = os.memfd_create(str(number))\n"
        "    kept.append(fd)\n"
        "    written += os.write(fd, bytes(7 * 2**20))\n"
        "for fd in kept: os.close(fd)\n"
        "if written > 64 * 2**20: raise Reached(f'{written >> 20} MB in memory files')\n",
        wall="memory",
    ),
    Attack(
        "files-network",
        "Answers are fetched from a friend, or the neighbour's are sent to one.",
        cell="import socket\n"
        "socket.create_connection(('127.0.0.1', $port), 0.5).close()\nraise Reached('the network')\n",
        wall="network",
    ),
    Attack(
        "files-local-socket",
        "Services of this machine listen on Unix sockets: a notebook server, a container daemon.",
        cell="import socket\n"
        "socket.socket(socket.AF_UNIX).connect('\\0$abstract')\nraise Reached('an abstract socket')\n",
        wall="network",
    ),
    Attack(
        "files-socket-of-a-pair",
        "A pair of sockets talks to itself, unless one end is told to talk to somebody else.",
        cell="import socket\n"
        "mine, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "try: mine.connect('\\0$abstract')\n"
        "except ConnectionRefusedError: raise\n"
        "except OSError as error:\n"
        "    if error.errno == 91: raise Reached('a listener, of another kind')\n"
        "    raise\n"
        "raise Reached('an abstract socket')\n",
        wall="network",
    ),
]
