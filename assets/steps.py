"""The assets of the pipeline's steps: each is declared in a module here that ends in ``ASSET = StepAsset(...)``."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

import assets
from assets.automation import per_video
from assets.resources import Needle
from ops.core.field_descriptions import FIELD_DESCRIPTIONS, KEY_DESCRIPTIONS, STORED_DESCRIPTIONS
from ops.core.schemas import TABLES
from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.pipeline import describe_partitions, list_steps, name_videos


def first_version(settings: Settings, encoder_id: str) -> str:
    return "1"


@dataclass(frozen=True, kw_only=True)
class StepAsset:
    """The asset of the step called ``step``: what Dagster needs to know beyond the step itself.

    Its upstreams are the steps that the step reads, and the assets ``upstreams``. ``code_version`` changes when all
    partitions must be computed again. ``checks`` are those of the step's report.
    """

    step: str
    description: str
    group: str
    kinds: frozenset[str] = frozenset({"parquet"})
    code_version: Callable[[Settings, str], str] = first_version
    checks: tuple[dg.AssetCheckSpec, ...] = ()
    automation: Callable[[dg.AssetKey], Any] | None = per_video
    upstreams: tuple[str, ...] = ()


def step_assets(
    settings: Settings, encoder_id: str, partitions: dg.PartitionsDefinition[str]
) -> list[dg.AssetsDefinition]:
    """The asset of every step. Raises ``ValueError`` if a step has no asset, or an asset has no step."""
    modules = [importlib.import_module(f"assets.{module.name}") for module in pkgutil.iter_modules(assets.__path__)]
    assets_by_step = {module.ASSET.step: module.ASSET for module in modules if hasattr(module, "ASSET")}
    steps = {step.name: step for step in list_steps()}
    if missing := steps.keys() - assets_by_step.keys():
        raise ValueError(f"no asset of {', '.join(sorted(missing))}: end a module of assets/ in ASSET = StepAsset(...)")
    if unknown := assets_by_step.keys() - steps.keys():
        raise ValueError(f"no step {', '.join(sorted(unknown))}: end ops/<package>/step.py in STEPS = (a Step, ...)")
    return [_build_asset(assets_by_step[name], step, settings, encoder_id, partitions) for name, step in steps.items()]


def describe_columns(tables: Sequence[str]) -> dict[str, dg.TableSchema]:
    """Return the columns of an asset's first table as Dagster's metadata; nothing without a table.

    Keys, columns that Feast serves, and those of faces, writing and dialogue have descriptions.
    """
    fields = TABLES[tables[0]].schema if tables else ()
    name = tables[0] if tables else ""
    texts = {**KEY_DESCRIPTIONS, **FIELD_DESCRIPTIONS.get(name, {}), **STORED_DESCRIPTIONS.get(name, {})}
    columns = [
        dg.TableColumn(name=field.name, type=str(field.type), description=texts.get(field.name)) for field in fields
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)} if columns else {}


def _build_asset(
    spec: StepAsset,
    step: Step,
    settings: Settings,
    encoder_id: str,
    partitions: dg.PartitionsDefinition[str],
) -> dg.AssetsDefinition:
    @dg.asset(
        name=step.name,
        description=spec.description,
        partitions_def=partitions,
        deps=[*spec.upstreams, *step.reads],
        group_name=spec.group,
        code_version=spec.code_version(settings, encoder_id),
        kinds=set(spec.kinds),
        check_specs=spec.checks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=spec.automation(dg.AssetKey(step.name)) if spec.automation else None,
        metadata=describe_columns(step.tables),
    )
    def step_asset(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        def run() -> StepReport:
            step_run = StepRun(
                settings=needle.settings,
                encoder_id=needle.encoder_id,
                partitions=context.partition_keys,
                now=needle.now(),
                progress=needle.progress,
            )
            return describe_partitions(step, step_run, step.run(step_run))

        report = needle.contain(run, context)
        context.instance.add_run_tags(
            context.run.run_id, {"needle/videos": name_videos(needle.settings, context.partition_keys)}
        )
        return needle.record(context, report)

    return step_asset
