"""Options that count something are whole numbers up to a limit, in every method."""

import pytest

from methods import build_method, method_options
from methods.layers.option_checks import MAX_LAYERS, MAX_SIZE, check_sizes
from vis_bench.cli import main
from vis_bench.errors import InputError

METHODS = ("ifc", "ms_sts", "seqformer", "vistr")
COUNTS = [
    (method, option.name)
    for method in METHODS
    for option in method_options(method).values()
    if type(option.default) is int
]
# The least is 1 but for these; 0 stands for an IFC without memory.
LEAST = {("ifc", "memory_tokens"): 0}


def test_every_count_is_seen():
    assert len(COUNTS) == 7 + 11 + 9 + 4
    assert ("ifc", "memory_tokens") in COUNTS


@pytest.mark.parametrize(("method", "option"), COUNTS)
@pytest.mark.parametrize("value", [0, -1, 10**9, 2.0, True, "8", None, [8], float("nan")])
def test_what_is_no_count_is_refused_by_name(method, option, value):
    least = LEAST.get((method, option), 1)
    if value is not True and value == least:
        value = least - 1
    with pytest.raises(InputError) as error:
        build_method(method, num_classes=3, **{option: value})
    assert f"{option} is {value!r}; expected a whole number from {least} to " in str(error.value)


def test_the_limits_themselves_are_taken():
    check_sizes(width=MAX_SIZE, heads=1)
    check_sizes(MAX_LAYERS, encoder_layers=MAX_LAYERS)
    with pytest.raises(InputError, match="encoder_layers is 65; expected a whole number from 1 to"):
        check_sizes(MAX_LAYERS, encoder_layers=MAX_LAYERS + 1)


@pytest.mark.parametrize(
    ("setting", "words"),
    [("options.width=0", "width is 0; expected a whole number from 1 to 8192"),
     ("options.width=48", "method ifc refuses its options: "),
     ("options.heads=3", "method ifc refuses its options: width 64 is not a multiple of the 3"),
     ("options.backbone=[mini]", "backbone is ['mini']; expected one of: r50, "),
     ("options.variant={}", "method ifc refuses its options: "),
     ("options.name=x", "method ifc has no option 'name'"),
     ("options.num_classes=3", "method ifc has no option 'num_classes'"),
     ("resolution=100000", "resolution is 100000; expected 'native' or a number of pixels from 1"),
     ("clip_length=1000000", "clip_length is 1000000; expected 'whole' or a number of frames")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["flops", "run"])
def test_wrong_options_end_in_a_sentence(setting, words, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([command, "ifc_mini_synthetic", "--set", setting]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1
