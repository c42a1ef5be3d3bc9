"""The shape of the asset graph: a reviewed snapshot. A change here is a change of what Needle is."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.core.settings import load_settings


@pytest.mark.parametrize("partitions", ["video", "bucket:16"])
def test_the_graph(snapshot: SnapshotAssertion, tmp_path: Path, partitions: str) -> None:
    settings = load_settings(home=str(tmp_path), encoder="starter", partitions=partitions)
    definitions = build_definitions(settings, Needle())
    graph = definitions.resolve_asset_graph()
    shape = {
        node.key.to_user_string(): {
            "needs": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "partitions": type(node.partitions_def).__name__,
            "checks": sorted(key.name for key in node.check_keys),
            "by itself": str(node.automation_condition.get_label()) if node.automation_condition else None,
        }
        for node in graph.asset_nodes
    }
    sensors = sorted(sensor.name for sensor in definitions.sensors or [])
    assert {"assets": shape, "sensors": sensors} == snapshot


def test_a_new_encoder_is_a_new_code_version_of_embeddings_but_not_of_shots(tmp_path: Path) -> None:
    from ops.embeddings.encoder import resolve_encoder

    settings = load_settings(home=str(tmp_path), encoder="starter")
    graph = build_definitions(settings, Needle()).resolve_asset_graph()
    versions = {node.key.to_user_string(): node.code_version for node in graph.asset_nodes}
    encoder_id = resolve_encoder(settings).encoder_id
    assert encoder_id in str(versions["shot_embeddings"])
    assert encoder_id in str(versions["search_index"])
    assert encoder_id not in str(versions["shots"])


def test_each_defined_probe_is_a_pair_of_assets_and_a_report(snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    (tmp_path / "probes.yaml").write_text("closeup:\n  description: One face\nwide:\n  queries: [a landscape]\n")
    settings = load_settings(home=str(tmp_path), encoder="starter")
    graph = build_definitions(settings, Needle()).resolve_asset_graph()
    probes = [node for node in graph.asset_nodes if node.group_name == "probes" or len(node.key.path) > 1]
    shape = {
        node.key.to_user_string(): {
            "needs": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": sorted(key.name for key in node.check_keys),
            "by itself": str(node.automation_condition.get_label()) if node.automation_condition else None,
        }
        for node in probes
    }
    assert shape == snapshot
    pairs = [f"{kind}/{label}" for kind in ("probe", "probe_scores") for label in ("closeup", "wide")]
    assert sorted(shape) == ["few_shot_report/closeup", "few_shot_report/wide", "labels", *pairs]
    assert set(shape["few_shot_report/wide"]["needs"]) == {"probe/wide", "probe_scores/wide"}
    assert {"probe_scores/closeup", "probe_scores/wide"} < {
        parent.to_user_string() for parent in graph.get(dg.AssetKey("downstream")).parent_keys
    }


@pytest.mark.parametrize("asset", ["shots", "dialogue", "screen_text", "sound", "shot_faces"])
def test_columns_of_a_table_are_described(tmp_path: Path, asset: str) -> None:
    """On the asset's page; a placeholder in angle brackets would be missing there, as Markdown takes it for HTML."""
    settings = load_settings(home=str(tmp_path), encoder="starter")
    node = build_definitions(settings, Needle()).resolve_asset_graph().get(dg.AssetKey(asset))
    columns = node.metadata["dagster/column_schema"].columns
    assert {column.name for column in columns if not column.description} == set()
    assert not [column.name for column in columns if "<" in (column.description or "")]
