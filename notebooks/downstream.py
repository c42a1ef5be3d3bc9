"""Train a downstream classifier on features from Feast, and use it on features that are served.

The example behind ``downstream.ipynb``, as a program: a training set by ``get_historical_features`` (each labelled
shot's features as they were known at its moment), figures on held-out shows or stretches, a model as plain numbers,
and the best new shots by online features, from the store or over HTTP from ``feast serve``.

    python notebooks/downstream.py --label action --out action.json
    (cd feature_repo && NEEDLE_HOME=... feast serve -p 6566) &
    python notebooks/downstream.py --label action --serve http://127.0.0.1:6566
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from ops.core.errors import NeedleError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.storage import write_atomically
from ops.embeddings.encoder import resolve_encoder
from ops.notebooks import downstream
from ops.notebooks.downstream_features import TrainingSet, load_online_matrix, load_training_set
from ops.shots.build import TABLE as SHOTS


def moment_of(text: str) -> datetime | None:
    """``now``, ``labelled`` (``None``: when each shot was labelled), or a date and time."""
    if text == "labelled":
        return None
    try:
        found = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at {text!r}: write now, labelled, or 2026-01-31T12:00:00+00:00") from error
    return found.replace(tzinfo=found.tzinfo or UTC)


def run(settings: Settings, label: str, at: datetime | None, address: str, top: int) -> dict[str, Any]:
    """Everything that the program tells, the model included."""
    data = load_training_set(settings, resolve_encoder(settings).encoder_id, label, at)
    model = downstream.fit_model(data)
    held_out = downstream.HeldOut(data)
    figures = {" + ".join(step): held_out.measure(step) for step in data.steps}
    figures["the blocks chosen in each fold"] = held_out.measure_chosen()
    gains = held_out.measure_gains()
    return {
        "label": label,
        "yes": int(data.truths.sum()),
        "no": int((~data.truths).sum()),
        "probes": list(data.probes),
        "held_out_by": data.held_out_by,
        "average_precision": {name: asdict(figure) if figure else None for name, figure in figures.items()},
        "gains_over_the_vector": {gain.feature: asdict(gain.change) | {"verdict": gain.verdict} for gain in gains},
        "chosen_blocks": list(model.blocks),
        "notes": list(data.notes),
        "served_by": address or "the online store",
        "best_new_shots": best_new_shots(settings, data, model, address)[:top],
        "model": asdict(model),
    }


def best_new_shots(
    settings: Settings, data: TrainingSet, model: downstream.Model, address: str
) -> list[dict[str, Any]]:
    """``{"shot_id", "score"}`` of every shot that nobody labelled, the highest score first."""
    shots = settings.lake.read(SHOTS, columns=["shot_id"])["shot_id"].to_pylist()
    new = sorted(set(shots) - set(data.shot_ids))
    if not new:
        return []
    scores = model.scores(load_online_matrix(settings, model.encoder_id, model.probes, new, address))
    best = sorted(zip(new, map(float, scores), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [{"shot_id": shot, "score": round(score, 6)} for shot, score in best]


def tell(told: dict[str, Any]) -> None:
    """The same for people."""
    print(f"{told['label']}: {told['yes']} yes, {told['no']} no; other probes: {', '.join(told['probes']) or 'none'}")
    for name, figure in told["average_precision"].items():
        value = f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "not measurable"
        print(f"  average precision with {name}: {value}")
    print(f"  on held-out labels, by {told['held_out_by']}; 95 % intervals")
    for feature, gain in told["gains_over_the_vector"].items():
        change = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        print(f"  {feature} added to the vector: {change}, {gain['verdict']}")
    print(f"  the model uses {' + '.join(told['chosen_blocks'])}")
    for note in told["notes"]:
        print(f"  note: {note}")
    print(f"best shots that nobody labelled, by features from {told['served_by']} (scores rank, no probabilities):")
    for each in told["best_new_shots"]:
        print(f"  {each['score']:.3f}  {each['shot_id']}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--label", required=True, help="what to predict: a label with yes and no")
    parser.add_argument("--home", help="NEEDLE_HOME (default: as the settings say)")
    parser.add_argument("--at", default="now", help="features as known then: now, labelled, or a date and time")
    parser.add_argument(
        "--serve", default="", metavar="URL", help="address of `feast serve`; default: the online store"
    )
    parser.add_argument("--top", type=int, default=10, help="how many new shots to name (default 10)")
    parser.add_argument("--out", type=Path, help="file to write the model to, as JSON")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    try:
        told = run(load_settings(home=given.home), given.label, moment_of(given.at), given.serve, given.top)
    except NeedleError as error:
        print(f"downstream: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    if given.out:
        with write_atomically(given.out) as temporary:
            temporary.write_text(json.dumps(told["model"]), encoding="utf-8")
    print(json.dumps(told, indent=1)) if given.json else tell(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
