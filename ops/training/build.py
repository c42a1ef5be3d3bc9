"""Bring one fine-tuned encoder of ``encoders.yaml`` into being: what the asset ``encoder/<name>`` does and tells."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from ops.core.settings import Settings
from ops.core.types import Progress, StepReport
from ops.embeddings.encoders.finetuned import MANIFEST
from ops.training.definitions import definition_of
from ops.training.train import train

TOLD = (
    "base_id",
    "code_version",
    "pairs",
    "pairs_digest",
    "set_aside",
    "shows",
    "steps",
    "last_loss",
    "threads",
    "trained_at",
)


def build_encoder(settings: Settings, name: str, now: datetime, progress: Progress) -> StepReport:
    """Fit the defined encoder; a no-op where it is there, made of the same recipe, base, pairs and code.

    Raises ``NotFoundError`` where it is not defined, and as ``ops.training.train.train``: an encoder that was made of
    something else is never replaced.
    """
    definition = definition_of(settings, name)
    data = list(map(Path, definition.data))
    made = train(
        settings,
        definition.fit,
        data,
        now,
        progress,
        name=name,
        threads=definition.threads,
        workers=definition.workers if settings.engine == "ray" else None,
        gpu=definition.gpu if settings.engine == "ray" else None,
    )
    lineage = made.lineage
    return StepReport(
        changed=int(made.is_new),
        data_version=made.encoder_id,
        details={
            "encoder": f"finetuned:{name}",
            "encoder_id": made.encoder_id,
            "manifest": str(made.folder / MANIFEST),
            "recipe": lineage["recipe"],
            "base": lineage["recipe"]["base"],
            **{key: lineage[key] for key in TOLD if key in lineage},
            **_validation(lineage.get("validation") or {}),
        },
    )


def _validation(validation: dict[str, Any]) -> dict[str, Any]:
    """Figures of the fitted encoder and its base on held-out shows and the gain, each with its 95 % interval."""
    told: dict[str, Any] = {"validated_on": validation.get("shows", [])}
    for who in ("encoder", "base"):
        for way, figures in validation.get(who, {}).items():
            for metric in ("r@1", "r@5", "r@10", "ndcg@10", "median_rank"):
                low, high = figures[f"{metric}_interval"]
                told[f"{who} {way} {metric}"] = f"{figures[metric]:.3f} ({low:.3f} to {high:.3f})"
    for way, gains in validation.get("gain", {}).items():
        for metric, (gain, low, high) in gains.items():
            told[f"gain {way} {metric}"] = f"{gain:+.3f} ({low:+.3f} to {high:+.3f})"
    return told
