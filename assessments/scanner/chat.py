"""Turn a prompt into token ids, and know which of them are the scored content.

The content's ids are made on their own and set between the frame's, so that both prompts of a pair
carry the very same content tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import AutoTokenizer

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from assessments.scanner.contract import Prompt

START = "<|im_start|>"
END = "<|im_end|>"


@dataclass(frozen=True)
class ChatTokens:
    """A prompt as the model reads it."""

    prompt_id: str
    ids: tuple[int, ...]
    start: int
    """Where the content starts in `ids`."""
    end: int
    """One past its last token."""

    @property
    def content(self) -> tuple[int, ...]:
        """The scored ids."""
        return self.ids[self.start : self.end]


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Ids of text as text: markers in it are spelled out, never read as special tokens."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return tuple(encoded["input_ids"])


def marked_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Ids of our own chat marks."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def spelled(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text that ids stand for, marks included."""
    return str(tokenizer.decode(list(ids)))


def chat_tokens(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> ChatTokens:
    """The prompt in ChatML, up to the point where the assistant answers."""
    head: tuple[int, ...] = ()
    if prompt.system:
        head += marked_ids(tokenizer, f"{START}system\n")
        head += plain_ids(tokenizer, prompt.system)
        head += marked_ids(tokenizer, f"{END}\n")
    head += marked_ids(tokenizer, f"{START}user\n")
    body = plain_ids(tokenizer, prompt.text)
    tail = marked_ids(tokenizer, f"{END}\n{START}assistant\n")
    return ChatTokens(prompt.id, head + body + tail, len(head), len(head) + len(body))


def chat_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt | None) -> tuple[int, ...]:
    """The ids of a prompt; for None only the opening of a user's turn."""
    if prompt is None:
        return marked_ids(tokenizer, f"{START}user\n")
    return chat_tokens(tokenizer, prompt).ids


def chat_text(prompt: Prompt) -> str:
    """The prompt in ChatML as text; for our own prompts only, as marks in it are kept."""
    system = f"{START}system\n{prompt.system}{END}\n" if prompt.system else ""
    return f"{system}{START}user\n{prompt.text}{END}\n{START}assistant\n"


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder; nothing is fetched and none of its code is run.

    Raises:
        ScanFailed: there is none, or it is not well-formed.
    """
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except (OSError, ValueError) as error:
        message = f"the tokenizer at {folder} could not be read: {error}"
        raise ScanFailed(message, permanent=True) from error
    return found
