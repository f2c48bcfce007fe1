"""What a learner's process says to the grader: forged, oversize, malformed, half, late, or never read."""

from __future__ import annotations

from .attack import SIZE, Attack
from .cells import FORBIDDEN, READY, paint

# The sockets that a learner's process holds, found among its open descriptors.
SOCKETS = (
    "import os, socket, stat, time\n"
    "def is_socket(fd):\n"
    "    try: return stat.S_ISSOCK(os.fstat(fd).st_mode)\n"
    "    except OSError: return False\n"
    "def sockets():\n"
    "    return [socket.socket(fileno=os.dup(fd)) for fd in [*filter(is_socket, range(3, 64))]]\n"
    "def say(body, letter=b'B', length=None):\n"
    "    for s in sockets():\n"
    "        s.settimeout(0.2)\n"
    "        try: s.sendall(letter + (len(body) if length is None else length).to_bytes(4, 'big') + body)\n"
    "        except OSError: pass\n"
)
ENDED = ("crashed", "not attempted", "wrong values", "too slow")


def _says(name: str, gain: str, what: str, **other: object) -> Attack:
    """Writes into every socket of its process, above the first answer."""
    return Attack(f"messages-{name}", gain, cell=SOCKETS + what, **{"paint": ENDED, "size": ENDED} | other)


def _replies(name: str, gain: str, what: str, **other: object) -> Attack:
    """Writes into its sockets while it is being asked."""
    return Attack(
        f"messages-{name}",
        gain,
        cells=paint(what + "\nreturn torch.zeros(2)", SOCKETS),
        **{"paint": ("crashed", "too slow", "wrong shape")} | other,
    )


REPLY = (
    "from dlcv.checking import values\n"
    "def forged(value, **other):\n"
    "    reply = {'value': value, 'crash': None, 'violations': [], 'changed': [], 'seconds': 0.0,\n"
    "             'timed_out': False}\n"
    "    return values.pack(reply | other)\n"
)

ATTACKS = [
    _says(
        "forged-verdict",
        "The grader reads the marks from the process that it judges.",
        "for told in (b'{\"points\": 2.0, \"kind\": \"right\"}', b'2.0', b'true'):\n    say(told, b'J')\n",
        flag="was left out",
    ),
    _says(
        "forged-progress",
        "The grader is told that all cells are done and all is defined; it asks no more.",
        "say(b'{\"end\": 2, \"error\": null}', b'J')\n"
        'say(b\'{"judge": "conv_transpose1d", "defined": true}\', b\'J\')\n'
        "say(b'{\"finished\": true}', b'J')\n",
    ),
    _says(
        "replies-in-advance",
        "Replies lie ready before the first question, as many as there are cases.",
        REPLY + "for _ in range(30):\n    say(forged(torch.zeros(5)))\n",
    ),
    _says(
        "oversize",
        "A length of four gigabytes makes the grader allocate them.",
        "say(b'', length=2**32 - 1)\n",
        flag="was left out",
    ),
    _says(
        "nonsense", "What is no message at all ends the grader's parser.", "say(os.urandom(4096), b'\\xff')\n"
    ),
    _says(
        "half",
        "Half a message: the grader waits for the rest.",
        "say(b'{\"end\"', b'J', length=1000)\ntime.sleep(60)\n",
    ),
    _says("closed", "No channel, no bad news.", "os.closerange(3, 256)\n"),
    _says(
        "deep",
        "A JSON text of a hundred thousand brackets ends the reader's stack.",
        "say(b'[' * 100_000, b'J')\n",
    ),
    _says(
        "pickle",
        "Whoever unpickles a message runs it.",
        "import pickle\n"
        "class Bomb:\n"
        "    def __reduce__(self): return os.system, ('touch $outside/$name',)\n"
        "say(pickle.dumps(Bomb()))\nsay(pickle.dumps(Bomb()), b'J')\n",
    ),
    _says(
        "two-narrators",
        "A fork of the process tells everything twice; the second telling counts for the next question.",
        "os.fork()\n",
    ),
    _replies(
        "reply-of-another-kind",
        "A reply with fields of other types breaks the judge: an error of the grader's is nobody's zero.",
        "from dlcv.checking import values\n"
        "say(values.pack({'value': None, 'crash': [1], 'violations': 7, 'changed': None, 'seconds': [],\n"
        "                 'timed_out': 'no'}))",
        paint=("crashed",),
    ),
    _replies(
        "reply-with-odd-seconds",
        "A time of NaN, infinite or negative seconds spoils the class's statistics.",
        "say(forged(torch.zeros(2), seconds=float('nan')))\nsay(forged(torch.zeros(2), seconds=float('-inf')))",
        cell=REPLY,
    ),
    _replies(
        "reply-with-foreign-tensors",
        "A hand-made safetensors header: eight-bit floats, overlapping or absent data.",
        "import json\n"
        "head = json.dumps({'0': {'dtype': 'F8_E4M3', 'shape': [5], 'data_offsets': [0, 5]}}).encode()\n"
        "tree = json.dumps({'dict': [['value', {'tensor': '0'}], ['crash', None], ['violations', {'list': []}],\n"
        "    ['changed', {'list': []}], ['seconds', {'float': 0.0}], ['timed_out', False]]}).encode()\n"
        "say(len(tree).to_bytes(8, 'little') + tree + len(head).to_bytes(8, 'little') + head + bytes(5))",
        paint=("crashed", "wrong shape", "wrong values"),
    ),
    _replies(
        "reply-with-a-million-nodes",
        "A reply that is small on the wire and large in memory.",
        "tree = b'{\"list\": [' + b'null,' * 700_000 + b'null]}'\n"
        "say(len(tree).to_bytes(8, 'little') + tree + (2).to_bytes(8, 'little') + b'{}')",
        paint=("crashed",),
    ),
    _replies(
        "reply-of-expressions",
        "Expressions that the judge's algebra works on for ever: towers of powers.",
        "import json\n"
        "tower = ['Rational', '9', '1']\n"
        "for _ in range(40): tower = ['Pow', ['Rational', '9', '1'], tower]\n"
        "tree = json.dumps({'dict': [['value', {'expression': tower}], ['crash', None],\n"
        "    ['violations', {'list': []}], ['changed', {'list': []}], ['seconds', {'float': 0.0}],\n"
        "    ['timed_out', False]]}).encode()\n"
        "say(len(tree).to_bytes(8, 'little') + tree + (2).to_bytes(8, 'little') + b'{}')",
        paint=("crashed", "wrong shape"),
    ),
    _replies(
        "drips",
        "A byte now and then keeps the connection alive, and the grader busy, all night.",
        "for s in sockets():\n"
        "    for byte in b'B' + (1000).to_bytes(4, 'big') + bytes(1000):\n"
        "        s.sendall(bytes([byte]))\n"
        "        time.sleep(0.3)",
        paint=("too slow",),
    ),
    _replies(
        "oversize-answer",
        "An answer of many megabytes, again and again, fills the grader's memory.",
        "return torch.zeros(4 * 10**6)",
        paint=("crashed",),
    ),
    _replies(
        "size-beyond-numbers",
        "A size that is no float ends the grader's arithmetic: the error is booked as the grader's own.",
        "say(b'{\"oversize\": ' + b'9' * 4000 + b', \"seconds\": 0}', b'J')",
        paint=("crashed",),
    ),
    _replies(
        "long-error",
        "An exception whose message has a hundred megabytes is stored with the marks.",
        "raise ValueError('x' * 10**8)",
        paint=("crashed",),
    ),
    Attack(
        "messages-no-reading",
        "A process that stops reading and answering, without ending: the grader's writes block.",
        cells=paint("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")
        | {SIZE: "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n"},
        paint=("too slow",),
        size=("too slow", "crashed"),
    ),
    Attack(
        "messages-own-answering",
        "The learner's cell serves the requests itself and says that nothing forbidden was called.",
        cell=SOCKETS + REPLY + "def exactly(s, n):\n"
        "    got = b''\n"
        "    while len(got) < n:\n"
        "        more = s.recv(n - len(got))\n"
        "        if not more: os._exit(0)\n"
        "        got += more\n"
        "    return got\n"
        "def serve(s):\n"
        "    s.settimeout(None)\n"
        "    while True:\n"
        "        letter, *length = exactly(s, 5)\n"
        "        message = exactly(s, int.from_bytes(bytes(length), 'big'))\n"
        "        if letter != ord('B'): continue\n"
        "        request = values.unpack(message)\n"
        "        x, weight, stride = *request['args'], request['kwargs'].get('stride', 1)\n"
        f"        body = forged({READY})\n"
        "        s.sendall(b'B' + len(body).to_bytes(4, 'big') + body)\n"
        "for s in sockets()[1:]:\n"
        "    if os.fork() == 0:\n"
        "        try: serve(s)\n"
        "        finally: os._exit(0)\n"
        "os.fork = lambda: 1  # no other copy reads the requests\n",
        cells=paint("import time\ntime.sleep(60)"),
        paint=FORBIDDEN,
        size=("wrong values", "crashed", "too slow", "forbidden call"),
    ),
]
