"""All definitions of one catalogue, for ``ops/features/`` and for the ``feast`` command in this folder.

``feast apply`` imports every module here, registers the definitions at module level, and *deletes* all others from the
registry. The right definitions depend on the catalogue (the place of its lake, its encoders), and this folder must not
import Needle's code. So they come from the registry that ``feature_store.yaml`` names. ``needle ingest`` fills it, and
``feast apply`` registers the same lake and encoders again, with the present definitions. Nothing is read at import:
module ``__dir__`` and ``__getattr__`` (PEP 562) read the registry when Feast inspects the module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from feast import Entity, FeatureService, FeatureStore, FeatureView

from feature_repo.entities import shot_entity, video_entity
from feature_repo.names import EMBEDDING_PREFIX, PROBE_PREFIX, ServedTable
from feature_repo.services import shot_classifier_v1, shot_classifier_v2, shot_facets_v1, shot_probes_v1
from feature_repo.views import probe_score, read_served, shot_embedding, table_view

Definition = Entity | FeatureView | FeatureService


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that decides the definitions of a catalogue.

    ``lake`` is the lake's root (see ``sources.py``). ``encoders`` maps the id of each encoder ever used to the length
    of its vectors; ``shot_classifier_v1`` reads ``current``. ``probes`` are the names of probes with scores. ``served``
    are the tables that Feast serves; the one of ``shot_metadata`` is among them.
    """

    lake: str
    encoders: Mapping[str, int]
    current: str
    served: Sequence[ServedTable]
    probes: Sequence[str] = ()


def build_definitions(content: Content) -> list[Definition]:
    """Build the entities, views and services of a catalogue."""
    lake = content.lake
    tables = {served.view: table_view(lake, served) for served in content.served}
    shots = tables["shot_metadata"]
    embeddings = {encoder: shot_embedding(lake, encoder, dim) for encoder, dim in sorted(content.encoders.items())}
    embedding = embeddings[content.current]
    scores = [probe_score(lake, probe) for probe in sorted(content.probes)]
    with_probes = [shot_classifier_v2(embedding, shots, scores), shot_probes_v1(scores)]
    return [
        video_entity(),
        shot_entity(),
        *tables.values(),
        *embeddings.values(),
        shot_classifier_v1(embedding, shots),
        shot_facets_v1(shots),
        *scores,
        *(with_probes if scores else []),
    ]


def read_registry(store: FeatureStore) -> Content | None:
    """Read the content of the catalogue from the registry; ``None`` if nothing is registered."""
    services = {service.name: service for service in store.list_feature_services()}
    if "shot_classifier_v1" not in services:
        return None
    views = store.list_feature_views()
    encoders = {
        view.tags["encoder_id"]: int(view.tags["dim"]) for view in views if view.name.startswith(EMBEDDING_PREFIX)
    }
    return Content(
        lake=store.get_data_source("shots").tags["lake"],
        encoders=encoders,
        current=services["shot_classifier_v1"].tags["encoder_id"],
        served=[read_served(view) for view in views if not view.name.startswith((EMBEDDING_PREFIX, PROBE_PREFIX))],
        probes=[view.tags["probe"] for view in views if view.name.startswith(PROBE_PREFIX)],
    )


@lru_cache(maxsize=1)
def _load_folder() -> dict[str, Definition]:
    store = FeatureStore(repo_path=str(Path(__file__).parent))
    if "$" in store.config.registry.path:
        raise RuntimeError("feature_store.yaml needs NEEDLE_HOME: export it, the folder that `needle doctor` shows")
    content = read_registry(store)
    if content is None:
        raise RuntimeError(f"{store.config.registry.path} is empty: run `needle ingest` once, then `feast apply`")
    return {f"{type(definition).__name__}_{definition.name}": definition for definition in build_definitions(content)}


def __dir__() -> list[str]:
    return sorted(_load_folder())


def __getattr__(name: str) -> Definition:
    if name.startswith(("Entity_", "FeatureView_", "FeatureService_")) and name in _load_folder():
        return _load_folder()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
