"""Scripts that complete commands, options, and their values in bash, zsh and fish."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

from vis_bench.commands.options import CONFIG, Options, Parser
from vis_bench.commands.output import print_text
from vis_bench.errors import InputError
from vis_bench.runs.bundled import bundled_configs
from vis_bench.text import did_you_mean

# Where a word is none of these, the shell completes files.
_BASH = """_vis_bench() {{
    local words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _vis_bench {program}
"""


def print_completion(
    program: str, shell: str, commands: Mapping[str, Callable[[Options], None]]
) -> None:
    """Print a shell's script.

    Args:
        commands: the function that adds each command's arguments.
    """
    words = {name: sorted(_words(add)) for name, add in commands.items()}
    if shell not in _SCRIPTS:
        meant = did_you_mean(shell, _SCRIPTS)
        raise InputError(f"--completion {shell}{meant}; expected one of {', '.join(_SCRIPTS)}")
    print_text(_SCRIPTS[shell](program, words))


def _words(add_arguments: Callable[[Options], None]) -> set[str]:
    """Options of a command and the values that it takes by name."""
    parser = Parser()
    add_arguments(Options(parser))
    return set(_words_of(parser))


def _words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        yield from map(str, action.choices or ())
        if action.help == CONFIG:
            yield from (name.rpartition("/")[2] for name in bundled_configs())
        if isinstance(action, argparse._SubParsersAction):
            for kind in action.choices.values():
                yield from _words_of(kind)


def _bash(program: str, words: Mapping[str, list[str]]) -> str:
    cases = [f'            {name}) words="{" ".join(some)}" ;;' for name, some in words.items()]
    return _BASH.format(program=program, commands=" ".join(words), cases="\n".join(cases))


def _zsh(program: str, words: Mapping[str, list[str]]) -> str:
    return f"autoload -Uz bashcompinit && bashcompinit\n{_bash(program, words)}"


def _fish(program: str, words: Mapping[str, list[str]]) -> str:
    first = f"complete -c {program} -n __fish_use_subcommand -f -a '{' '.join(words)}'\n"
    return first + "".join(
        f"complete -c {program} -n '__fish_seen_subcommand_from {name}' -a '{' '.join(some)}'\n"
        for name, some in words.items()
    )


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
