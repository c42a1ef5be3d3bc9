"""What the shipped recipes bring, and what they forget. Makes the tables of docs/training.md anew.

    python -m tests.bench.bench_adaptation --captions DIR --footage DIR [--home HOME] [--seeds 3] [--markdown]

HOME holds the footage, ingested, each clip in a folder (a show) by itself; features of the locked towers are cached
there. Without it, the clips of DIR are ingested into a new home.

- Photographs: a head fitted on Flickr8k train, against the half that needs no captions and against ridge regression,
  on its test split and on two films.
- Heads (only with ``--only heads --seeds 5``): several heads averaged, against the shipped one.
- Films: every recipe for footage, learned from one film or from all captioned clips but one, tested on the other.
  Forgetting: each of these fits on the photographs of the test split, which none of them saw.

Each fit runs with several seeds. A figure is the mean over seeds; its 95 % bootstrap interval is over shots or
photographs (the captions of one are drawn together) of the values averaged over seeds. Prints one JSON document, or
tables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.evaluation.retrieval import compute_single_gains, estimate_interval, estimate_paired_interval, rank_captions
from ops.training.bases import StarterBase
from ops.training.examples import BatchChoice, InMemory
from ops.training.loop import fit
from ops.training.model import DualEncoder, build_starter_model, export_head
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.recipes import Recipe, build_recipe
from ops.training.sources import CAPTIONS, collect_pairs
from tests.bench.adaptation_tables import format_photographs, format_recipes
from tests.bench.head_tables import compare_heads, format_heads
from tests.bench.recipe_tables import compare_recipes, ingest

log = logging.getLogger(__name__)

Ranks = tuple[Any, Any]
"""Of caption -> shot (Q,) and of shot -> caption (N,)."""
FILMS = {"bbb": "bbb_full_360p.mp4", "sintel": "sintel_trailer_204p.mp4"}
METRICS = {
    "r@1": lambda ranks: 100.0 * (ranks <= 1),
    "r@5": lambda ranks: 100.0 * (ranks <= 5),
    "r@10": lambda ranks: 100.0 * (ranks <= 10),
    "ndcg@10": compute_single_gains,
}
PLAIN = build_recipe("lit_temporal", pooling="mean")
"""The shipped encoder, eight frames, mean-pooled; also what a fit on films starts from."""


class Study:
    """One home, its data and its features."""

    def __init__(self, settings: Settings, captions: Path, footage: Path) -> None:
        self.settings = settings
        self._texts: dict[tuple[str, ...], Any] = {}
        files = sorted(path.with_name(path.name.removesuffix(CAPTIONS)) for path in footage.rglob(f"*{CAPTIONS}"))
        self.clips = {path.name: collect_pairs(settings, [path]).learn for path in files}
        self.pairs = {name: self.clips[file] for name, file in FILMS.items()}
        for split in ("train", "dev", "test"):
            found = collect_pairs(settings, [captions / f"flickr8k_{split}.parquet"])
            self.pairs[split] = found.learn + found.validate

    def base(self, recipe: Recipe) -> StarterBase:
        """The base of a recipe; what the text tower made of the same texts before is not computed again."""
        base = StarterBase(recipe, self.settings, "cpu", 2)
        tower = base._text_tower
        base._text_tower = lambda texts: self._features(tuple(texts), tower)  # type: ignore[assignment]
        return base

    def _features(self, texts: tuple[str, ...], tower: Any) -> Any:
        if texts not in self._texts:
            digest = hashlib.blake2b(json.dumps(texts).encode(), digest_size=8).hexdigest()
            kept = self.settings.home / "cache" / "training" / f"texts-{digest}.npy"
            if not kept.exists():
                np.save(kept, tower(texts))
            self._texts[texts] = np.load(kept)
        return self._texts[texts]

    def examples(self, name: str, recipe: Recipe, base: StarterBase | None = None) -> InMemory:
        return self.read(self.pairs[name], recipe, base)

    def read(self, pairs: Sequence[CaptionPair], recipe: Recipe, base: StarterBase | None = None) -> InMemory:
        recipe = replace(recipe, batch=2) if base is None else recipe
        with PairReader(self.settings, pairs, recipe.frames) as reader:
            return (base or self.base(recipe)).read_examples(pairs, reader, SilentProgress())

    def fitted(self, name: str, recipe: Recipe, seed: int) -> tuple[DualEncoder, StarterBase]:
        base = self.base(recipe)
        examples = self.examples(name, recipe, base)
        torch.manual_seed(seed)  # not the recipe's: that is also the seed of the crops whose features are kept
        model = base.build_model()
        fit(model, examples, recipe)
        return model.eval(), base

    def start(self, recipe: Recipe) -> DualEncoder:
        return self.base(recipe).build_model().eval()

    def ranks(self, model: DualEncoder, name: str, recipe: Recipe) -> Ranks:
        images, texts, owners = vectors(model, self.examples(name, recipe))
        return rank_captions(texts, images, owners)

    def owners(self, name: str) -> Any:
        return np.repeat(np.arange(len(self.pairs[name])), [len(pair.captions) for pair in self.pairs[name]])


def vectors(model: DualEncoder, examples: InMemory) -> tuple[Any, Any, Any]:
    """Vectors of all shots, of all captions, and whose each caption is."""
    rows = torch.arange(len(examples))
    zeros = torch.zeros_like(rows)
    with torch.no_grad():
        batch = next(examples.batches([BatchChoice(rows=rows, views=zeros, captions=zeros)]))
        images = model.encode(batch)[0].numpy()
        texts = model.text(examples.text_CX).numpy()
    return images, texts, _owners(examples)


def report(ways: Mapping[str, Sequence[Ranks]], owners: Any, against: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Figures of each way over its seeds, and its differences from the ways named in ``against``."""
    told: dict[str, Any] = {}
    for way, seeds in ways.items():
        told[way] = {"seeds": len(seeds)}
        for number, (direction, groups) in enumerate((("text_to_video", owners), ("video_to_text", None))):
            own = [np.asarray(ranks[number]) for ranks in seeds]
            rows: dict[str, Any] = {"median_rank": [float(np.median(ranks)) for ranks in own]}
            for name, metric in METRICS.items():
                values = np.mean([metric(ranks) for ranks in own], axis=0)
                single = [float(np.mean(metric(ranks))) for ranks in own]
                rows[name] = [float(values.mean()), *estimate_interval(values, groups_M=groups)]
                rows[f"{name}_seeds"] = [min(single), max(single)]
                for other in against.get(way, ()):
                    before = np.mean([metric(np.asarray(ranks[number])) for ranks in ways[other]], axis=0)
                    rows[f"{name} minus {other}"] = list(estimate_paired_interval(values, before, groups_M=groups))
            told[way][direction] = rows
    return told


def photographs(study: Study, seeds: int) -> dict[str, Any]:
    """A head fitted on photographs, ridge regression, and no captions at all, on other photographs and on films."""
    recipe = build_recipe("starter_head")
    heads = []
    for seed in range(seeds):
        model, base = study.fitted("train", recipe, seed)
        heads.append((export_head(model, base.head), torch.from_numpy(base.head.text_mean_H)))
        log.info("head of seed %d fitted", seed)
    ridge = _ridge(study)
    found: dict[str, Any] = {}
    for target in ("test", *FILMS):
        plain = replace(PLAIN, frames=1) if target == "test" else PLAIN
        examples = study.examples(target, plain)
        ways: dict[str, list[Ranks]] = {
            "no captions": [_without_captions(study, examples)],
            "ridge": [ridge(examples)],
            "shipped": [study.ranks(study.start(plain), target, plain)],
            "starter_head": [],
        }
        for head, mean in heads:
            images, texts, owners = vectors(build_starter_model(plain, head, mean).eval(), examples)
            ways["starter_head"].append(rank_captions(texts, images, owners))
        against = {"starter_head": ["no captions", "ridge"]}
        found[f"photographs -> {target}"] = report(ways, study.owners(target), against)
        log.info("photographs -> %s done", target)
    return found


def _without_captions(study: Study, examples: InMemory) -> Ranks:
    """The half of the encoder that is made of class names: nothing in it was fitted to captions."""
    assert examples.semantic_NTX is not None
    kept = examples.mask_NT.numpy()[:, :, None]
    images = _unit((examples.semantic_NTX.numpy() * kept).sum(axis=1))
    texts = _unit(examples.text_CX.numpy() - study.base(PLAIN).head.text_mean_H)
    return rank_captions(texts, images, _owners(examples))


def _ridge(study: Study) -> Any:
    """Image features to the mean caption's features by ridge regression; its strength chosen on the dev split."""
    train = study.examples("train", replace(build_recipe("starter_head"), start="base", space="whole"))
    dev = study.examples("dev", replace(PLAIN, frames=1))
    x = train.frames_NVTX[:, 0, 0].numpy()
    totals = np.zeros((len(train), train.text_CX.shape[1]))
    np.add.at(totals, _owners(train), train.text_CX.numpy())
    y = totals / train.captions._counts.numpy()[:, None]
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    product, goal = (x - mean_x).T @ (x - mean_x), (x - mean_x).T @ (y - mean_y)

    def ranks(examples: InMemory, weights: Any) -> Ranks:
        frames_NTF = examples.frames_NVTX[:, 0].numpy()
        frames = _unit((frames_NTF.reshape(-1, x.shape[1]) - mean_x) @ weights).reshape(*frames_NTF.shape[:2], -1)
        images = _unit((frames * examples.mask_NT.numpy()[:, :, None]).sum(axis=1))
        return rank_captions(_unit(examples.text_CX.numpy() - mean_y), images, _owners(examples))

    best: tuple[float, Any] = (-1.0, None)
    for strength in (0.3, 1, 3, 10, 30, 100, 300, 1000, 3000):
        weights = np.linalg.solve(product + strength * np.eye(len(product)), goal)
        score = float(np.mean(np.asarray(ranks(dev, weights)[0]) <= 5))
        best = max(best, (score, weights), key=lambda pair: pair[0])
    return lambda examples: ranks(examples, best[1])


def _unit(vectors_ND: Any) -> Any:
    return vectors_ND / np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), 1e-12)


def _owners(examples: InMemory) -> Any:
    return np.repeat(np.arange(len(examples)), examples.captions._counts.numpy())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("captions", "footage"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["photographs", "films", "heads"])
    parser.add_argument("--markdown", action="store_true", help="tables instead of JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: on a busy machine two threads wait for each other most of the time
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    began = time.perf_counter()
    home, footage = (options.home, options.footage) if options.home else ingest(options.footage)
    study = Study(load_settings(home=str(home), encoder="starter"), options.captions, footage)
    parts = {"photographs": photographs, "films": compare_recipes, "heads": compare_heads}
    wanted = {
        name: part for name, part in parts.items() if options.only == name or (not options.only and name != "heads")
    }
    found = {name: part(study, options.seeds) for name, part in wanted.items()}
    log.info("took %.0f s", time.perf_counter() - began)
    if not options.markdown:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    if "photographs" in found:
        sys.stdout.write(format_photographs(found["photographs"]) + "\n")
    if "heads" in found:
        sys.stdout.write(format_heads(found["heads"]))
    if "films" in found:
        sys.stdout.write(format_recipes(found["films"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
