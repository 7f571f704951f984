"""A tiny model, tokenizer and autoencoder, made here in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 32
BLOCKS = 3
LATENTS = 64
SPECIAL = ("<|im_start|>", "<|im_end|>")


def tiny_tokenizer():
    """Bytes as tokens, and the chat marks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: at for at, letter in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[0], eos_token=SPECIAL[1], pad_token=SPECIAL[1]
    )


def tiny_model():
    """A Llama of three narrow blocks with seeded random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """The tiny model as a folder of safetensors."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("tiny-model")
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sae():
    """A JumpReLU autoencoder on the middle block with seeded random weights.

    Its decoder is short, for then it rebuilds something: a longer one overshoots.
    """
    torch = pytest.importorskip("torch")
    from assessments.scanner.rows import InMemory
    from assessments.scanner.sae import Architecture, SparseAutoencoder

    draw = torch.Generator().manual_seed(3)
    rows = torch.randn(LATENTS, WIDTH, generator=draw)
    rows /= rows.norm(dim=-1, keepdim=True)
    b_enc = 0.01 * torch.randn(LATENTS, generator=draw)
    b_dec = 0.01 * torch.randn(WIDTH, generator=draw)
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=InMemory(rows),
        b_enc=InMemory(b_enc),
        w_dec=InMemory(0.4 * rows),
        b_dec=b_dec,
        b_in=b_dec,
        hook_name="blocks.1.hook_resid_post",
        threshold=InMemory(torch.full((LATENTS,), 0.01)),
    )


@pytest.fixture(scope="session")
def sae_folder(tmp_path_factory, sae) -> Path:
    """The autoencoder in the SAELens layout."""
    from assessments.scanner.formats import saelens

    folder = tmp_path_factory.mktemp("tiny-sae")
    saelens.save(sae, folder, metadata={"model_name": "tiny"})
    return folder
