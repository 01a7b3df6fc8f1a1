"""Seeded mutations of input files: the same seed always gives the same mutation."""

import copy
import pickle
import pickletools
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Values that readers have tripped over; each is valid JSON.
HOSTILE_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 1, -(1 << 63),
    (1 << 64) - 1, 0.5, -0.0, 1e-300, 1e300, "", "a", "0", "\0", "../x", "/etc/passwd", "~~~",
    "\ud7ff", "x" * 300, "nan", [], {}, [[]], [0], [1, 1], [None], ["a"], {"a": 1}, {"": []},
    [[1, 2, 3, 4]],
    {"size": [1, 1], "counts": "1"}, {"size": [0, 0], "counts": [0]},
    {"size": [1 << 16, 1 << 16], "counts": [1 << 32]},
]  # fmt: skip

# Pieces of YAML that mean more than they seem to.
HOSTILE_YAML = [
    "!!bool x", "!!int ''", "!!binary a", "!!python/object/apply:os.system [touch harm]",
    "!!timestamp 1", "!!set {a}", "! x", "&a [*a]", "*a", "&a", "010", "0o7", "1:30", "2020-99-99",
    ".nan", ".inf", "1e999", "0x" + "f" * 40, "9" * 400, "<<: 1", "[", "]", "{", "}", "- ", "? ",
    ": ", "|", ">", "'", '"', "\t", "\n---\n", "%YAML 9\n", "#", "~", "null", "true", "yes", "=",
    "[[[[[[[[", "{a: {a: {a: 1}}}", "\x07", "\x85", "\u2028", "key: 1\nkey: 2", "-1", "0", "1.5",
]  # fmt: skip


def mutated_json(value: Any, seed: int) -> Any:
    """A copy of a JSON value with one to three places replaced, left out, doubled or swapped."""
    draw = random.Random(seed)
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return draw.choice(HOSTILE_VALUES)
        # Large lists have most places; every depth gets its share.
        depth = draw.choice(sorted({depth for depth, *_ in places}))
        _, holder, key = draw.choice([place for place in places if place[0] == depth])
        draw.choice(_CHANGES)(draw, holder, key)
    return value


def mutated_bytes(content: bytes, seed: int) -> bytes:
    """Bytes with a few places flipped, cut out, doubled, or cut off at the end."""
    draw = random.Random(seed)
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        place = draw.randrange(len(data) + 1)
        length = draw.choice((1, 2, 4, 64))
        kind = draw.randrange(5)
        if kind == 0:
            data[place : place + length] = draw.randbytes(len(data[place : place + length]))
        elif kind == 1:
            del data[place : place + length]
        elif kind == 2:
            data[place:place] = data[place : place + length]
        elif kind == 3:
            data[place : place + length] = draw.choice((b"\0", b"\xff")) * length
        else:
            del data[place:]
    return bytes(data)


def mutated_text(text: str, seed: int) -> str:
    """A text with pieces of `HOSTILE_YAML` put in, or in the place of a word or a line."""
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 1, 2, 4))):
        separator = draw.choice((" ", "\n", ""))
        parts = text.split(separator) if separator else list(text)
        place = draw.randrange(len(parts) + 1)
        stop = place + draw.choice((0, 0, 1, 2))
        parts[place:stop] = [draw.choice(HOSTILE_YAML)]
        text = separator.join(parts)
    return text


def hostile_pickle(seed: int) -> bytes:
    """A stream of pickle opcodes with arguments of the right form, the wrong form, or none."""
    draw = random.Random(seed)
    out = bytearray(b"\x80\x02")
    for _ in range(draw.randrange(1, 30)):
        opcode = draw.choice(pickletools.opcodes)
        out += opcode.code.encode("latin-1")
        out += draw.choice(_ARGUMENTS)(draw) if opcode.arg or draw.random() < 0.1 else b""
    return bytes(out + draw.choice((b".", b"", b"a.", b"R.")))


def hostile_mask(seed: int) -> Any:
    """A mask as a file may hold it: compressed or plain run lengths, or polygons, mostly wrong."""
    draw = random.Random(seed)
    sides = (1, 2, 3, 17, 1 << 10, (1 << 14) - 1, 1 << 14, 1 << 16, (1 << 31) - 1, 1 << 32)
    height, width = (draw.choice(sides[: draw.choice((3, 4, 10))]) for _ in "hw")
    kind = draw.randrange(4)
    if kind == 0:  # runs that add up, which is what a reader believes first
        pixels, runs = height * width, []
        while pixels and len(runs) < 40:
            runs.append(draw.randrange(pixels + 1))
            pixels -= runs[-1]
        runs += [pixels] if draw.random() < 0.9 else []
        return {"size": [height, width], "counts": runs}
    if kind == 1:  # every character that stands for five bits, the highest of which says "more"
        letters = [chr(48 + draw.randrange(64)) for _ in range(draw.randrange(40))]
        return {"size": [height, width], "counts": "".join(letters)}
    if kind == 2:  # a run of everything in as many characters as it takes
        text, rest = "", height * width
        while rest:
            text += chr(48 + (rest & 31) + 32)
            rest >>= 5
        ends = ("0", "o", "P", "")
        return {
            "size": [height, width],
            "counts": draw.choice(("0", "")) + text + draw.choice(ends),
        }
    points = [draw.uniform(-5, 2 * height + 5) for _ in range(draw.choice((0, 1, 4, 6, 7, 8, 40)))]
    return [[draw.choice((point, float(round(point)), 1e300)) for point in points]]


class Harm:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return type(self.path).touch, (self.path,)


def harmful_pickle(path: Path) -> bytes:
    """A pickle that makes a file at `path` when it is loaded without care."""
    return pickle.dumps({"model": {"weight": Harm(path)}}, protocol=2)


def one_sentence(code: int, said: str) -> bool:
    """True if a command ended with exit code 0 or 1, or with 2 and one sentence."""
    lines = said.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if "Traceback" in said or code not in (0, 1, 2):
        return False
    return len(errors) == 1 and lines[-1] == errors[0] if code == 2 else not errors


def _places(value: Any, depth: int = 0) -> Iterator[tuple[int, Any, Any]]:
    if isinstance(value, dict):
        keys: Any = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    else:
        return
    for key in keys:
        yield depth, value, key
        yield from _places(value[key], depth + 1)


def _replace(draw: random.Random, holder: Any, key: Any) -> None:
    holder[key] = copy.deepcopy(draw.choice(HOSTILE_VALUES))


def _leave_out(draw: random.Random, holder: Any, key: Any) -> None:
    del holder[key]


def _double(draw: random.Random, holder: Any, key: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[f"{key}2"] = holder[key]


def _swap(draw: random.Random, holder: Any, key: Any) -> None:
    other = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def _nudge(draw: random.Random, holder: Any, key: Any) -> None:
    """A small change that leaves the type as it is."""
    value = holder[key]
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return _replace(draw, holder, key)
    if isinstance(value, str):
        place = draw.randrange(len(value) + 1)
        holder[key] = value[:place] + chr(draw.randrange(1, 128)) + value[place + 1 :]
    else:
        holder[key] = draw.choice((value + 1, value - 1, -value, value * 1000, value + 0.5))
    return None


_CHANGES: list[Callable[[random.Random, Any, Any], None]] = [
    _replace, _replace, _leave_out, _double, _swap, _nudge, _nudge,
]  # fmt: skip

_ARGUMENTS: list[Callable[[random.Random], bytes]] = [
    lambda draw: b"",
    lambda draw: bytes([draw.randrange(256)]),
    lambda draw: draw.randbytes(draw.randrange(9)),
    lambda draw: struct.pack("<I", draw.choice((0, 1, 5, 1 << 20, (1 << 32) - 1))),
    lambda draw: struct.pack("<Q", draw.choice((0, 1, 1 << 40, (1 << 64) - 1))),
    lambda draw: b"%d\n" % draw.randrange(-5, 5),
    lambda draw: b"os\nsystem\n",
    lambda draw: b"collections\nOrderedDict\n",
    lambda draw: b"torch._utils\n_rebuild_tensor_v2\n",
    lambda draw: b"\x03\0\0\0abc",
]
