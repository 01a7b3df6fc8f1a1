"""YAML is read strictly and in bounded time; what is refused is refused in a sentence."""

from pathlib import Path

import pytest
import yaml

from paths import CONFIGS
from vis_bench.errors import InputError
from vis_bench.files import MAX_ALIASED, MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml
from vis_bench.show.published import FIGURES_FILE

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join(['*' + before] * 10)}]\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {k0: 0, k1: 1}\n" + "".join(
    f"{key}: &{key} {{<<: [{', '.join(['*' + before] * 10)}]}}\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "!!bool x": "the tag !!bool is not read",
    "!!int ''": "the tag !!int is not read",
    "!!binary 'a'": "the tag !!binary is not read",
    "!!timestamp 2020-99-99": "the tag !!timestamp is not read",
    "!!python/name:os.system": "the tag !!python/name:os.system is not read",
    "!mine x": "the tag !mine is not read",
    "[!!set {a, b}]": "the tag !!set is not read",
    "&a [*a]": "*a stands inside of itself",
    "&a {b: [*a]}": "*a stands inside of itself",
    "[" * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "{a: " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "- " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "? " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    LAUGHS: f"aliases stand for more than {MAX_ALIASED} values",
    MERGED: f"aliases stand for more than {MAX_ALIASED} values",
    "a: 1\nb: 2\na: 3": "line 3: the key a is given twice",
    "{b: {c: 1, 'c': 2}}": "the key c is given twice",
    "{<<: {a: 1}, <<: {b: 1}}": "the key << is given twice",
    "010": "010 is an octal number in YAML",
    "-0_7": "-0_7 is an octal number in YAML",
    "1:30": "1:30 is a number to base 60 in YAML",
    "1:30.5": "1:30.5 is a number to base 60 in YAML",
    str(1 << 64): f"{1 << 64} needs more than 64 bits",
    str(-(1 << 63) - 1): "needs more than 64 bits",
    "1" * 5000: "needs more than 64 bits",
    "0x" + "f" * 5000: "needs more than 64 bits",
    "{true: 1}": "a key is true; expected text",
    "{null: 1}": "a key is null; expected text",
    "{[a]: 1}": "a key is a list or mapping; expected text",
    "a\0b": "is not valid YAML",
    "\ud800": "is not valid YAML",
    "---\na\n---\nb": "is not valid YAML, line 3",
    "a: [1": "is not valid YAML",
    "*a": "is not valid YAML",
    "<<: 1": "is not valid YAML",
    "=": "is not valid YAML",
    "#" * (MAX_BYTES + 1): f"has more than {MAX_BYTES} bytes",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_is_refused_in_a_sentence(text):
    with pytest.raises(InputError) as error:
        parse_yaml(text, "the text")
    message = str(error.value)
    assert message.startswith("the text")
    assert REFUSED[text] in message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [("2020-01-01", "2020-01-01"), ("a: 2020-99-99", {"a": "2020-99-99"}), ("0", 0), ("08", "08"),
     ("'010'", "010"), ("0x10", 16), ("1_000", 1000), (str((1 << 64) - 1), (1 << 64) - 1),
     ("[" * MAX_DEPTH + "]" * MAX_DEPTH, yaml.safe_load("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
     ("{a: &x {k: 1, l: 2}, b: {<<: *x, k: 3}}", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
     ("a: &x [1]\nb: [*x, *x]", {"a": [1], "b": [[1], [1]]}), ("", None), ("\ufeffa: 1", {"a": 1})],
)  # fmt: skip
def test_plain_values_are_what_they_look_like(text, value):
    assert parse_yaml(text, "the text") == value


def test_aliases_up_to_the_limit_are_read():
    text = "a: &a [" + "0," * (MAX_ALIASED // 10 - 1) + "]\nb: [" + "*a," * 10 + "]\n"
    assert len(parse_yaml(text, "the text")["b"]) == 10
    with pytest.raises(InputError, match=f"more than {MAX_ALIASED}"):
        parse_yaml(text + "c: *a", "the text")


@pytest.mark.parametrize(
    "path", [*sorted(CONFIGS.rglob("*.yaml")), FIGURES_FILE], ids=lambda p: p.stem
)
def test_every_file_of_this_project_reads_as_pyyaml_reads_it(path):
    assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_file_that_never_ends_is_refused_at_the_limit():
    with pytest.raises(InputError, match=f"/dev/zero has more than {MAX_BYTES} bytes"):
        read_yaml(Path("/dev/zero"))


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match=r"c\.yaml is not valid YAML: 'utf-8' codec"):
        read_yaml(tmp_path / "c.yaml")
