"""Prompts of SAM 3 Video: a phrase for each category, as tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vis_bench.errors import InputError
from vis_bench.files import read_json, shown
from vis_bench.text import count

# Either is enough, in a folder of Hugging Face's form.
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


@dataclass(frozen=True)
class Prompts:
    """A phrase for each column of the categories, and its tokens."""

    phrases: Sequence[str]
    ids_PS: Tensor
    attention_PS: Tensor

    def __len__(self) -> int:
        return len(self.phrases)

    @property
    def sha256(self) -> str:
        """Digest of the tokens."""
        return hashlib.sha256(repr(self.ids_PS.tolist()).encode()).hexdigest()

    def add_to(self, session: Any, columns: Sequence[int], device: torch.device) -> None:
        """Prompt a new session of transformers with some columns; prompts are numbered from 0."""
        for place, column in enumerate(columns):
            number = session.add_prompt(self.phrases[column])
            assert number == place, "phrases are distinct"
            session.prompt_input_ids[number] = self.ids_PS[column, None].to(device)
            session.prompt_attention_masks[number] = self.attention_PS[column, None].to(device)


def phrases_of(names: Sequence[str], given: str | Mapping[str, str]) -> list[str]:
    """The phrase of each category: the given one, or else its name with spaces.

    Args:
        given: phrases by name, or the path of a JSON file of them; empty for none.
    """
    where, known = "options.phrases", given
    if isinstance(given, str):
        where, known = given, read_json(Path(given).expanduser()) if given else {}
    if not isinstance(known, Mapping) or not all(
        isinstance(phrase, str) and phrase.strip() for phrase in known.values()
    ):
        raise InputError(f"{where} holds {shown(known)}; expected an object, class name -> phrase")
    for name in known:
        if name not in names:
            raise InputError(f"{where} has a phrase for {shown(name)}, which is not a category")
    return [known.get(name, name.replace("_", " ")) for name in names]


def tokenize(tokenizer: Any, names: Sequence[str], phrases: Sequence[str], length: int) -> Prompts:
    """Tokens of the phrases, padded to `length`.

    Args:
        names: of the categories, for messages.

    Raises:
        InputError: for a phrase of too many tokens, and two categories with the same phrase.
    """
    rows, masks = [], []
    columns: dict[str, int] = {}
    for column, phrase in enumerate(phrases):
        found = tokenizer(phrase, padding="max_length", max_length=length)
        ids = found["input_ids"]
        if len(ids) != length:
            raise InputError(
                f"the phrase {shown(phrase)} of category {names[column]} has "
                f"{count(len(ids), 'token')}; expected at most {length}, in options.phrases"
            )
        first = columns.setdefault(phrase, column)
        if first != column:
            raise InputError(
                f"categories {names[first]} and {names[column]} have the same phrase, "
                f"{shown(phrase)}; expected different ones, in options.phrases"
            )
        rows.append(ids)
        masks.append(found["attention_mask"])
    return Prompts(list(phrases), torch.tensor(rows), torch.tensor(masks))


def folder_tokenizer(folder: Path) -> Any:
    """The tokenizer beside weights in Hugging Face's form."""
    from transformers import CLIPTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"{folder} has no tokenizer next to its weights; expected {TOKENIZER_FILES[0]}, or "
            "vocab.json and merges.txt"
        )
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # damaged files can make the reader raise anything
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"the tokenizer in {folder} cannot be read: {line}") from None


def byte_tokenizer(start: int, end: int) -> Any:
    """A tokenizer whose tokens are bytes, for random weights.

    Args:
        start, end: numbers of the tokens that begin and end a phrase.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())  # which stand for the bytes
    vocabulary = {token: n for n, token in enumerate([*letters, *(f"{x}</w>" for x in letters)])}
    vocabulary |= {"<|startoftext|>": start, "<|endoftext|>": end}
    return CLIPTokenizer(vocab=vocabulary, merges=[])
