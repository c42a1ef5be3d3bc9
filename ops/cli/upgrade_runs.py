"""Runs of ``needle upgrade``: the assets before the switch to another live encoder, and those after it.

Stands alone because it may be killed at any point. The data show which work is done, so the same command again does
only the rest. Until the switch itself no live data are changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ops.cli import runs
from ops.cli.probe_runs import is_scored
from ops.cli.progress import Bars
from ops.core.errors import ChecksFailedError, NeedleError
from ops.core.locks import lock_if_free
from ops.core.settings import Settings
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRegistry, UpgradeCandidate
from ops.embeddings.shared_choice import forget_home as remove_home
from ops.embeddings.shared_choice import note_use
from ops.probes.definitions import load_definitions
from ops.probes.state import read_state
from ops.probes.versions import list_fitted_probes
from ops.shots.build import TABLE as SHOTS
from ops.upgrade.candidate import find_missing, list_probes_to_refit, name_candidate, name_previous
from ops.upgrade.compare import Comparison, read_current_comparison, read_last_comparison
from ops.upgrade.shared_encoder import adopt, explain_setting_against_shared, fetch_encoder, find_shared_state
from ops.upgrade.switch import delete_left, discard, finish_switch
from ops.videos import catalogue
from ops.videos.damaged_tables import put_away_all

STARTED_BY = "needle upgrade"
COMPARISON_INPUTS = ("caption_pairs",)
BESIDE = ("candidate_embeddings",)
BEFORE = ("labels", "candidate_index", "candidate_probes")
FOLLOWING = ("shot_embeddings", "media_features")
# Footage may arrive while the candidate is computed; each attempt computes only the new part.
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class UpgradeOutcome:
    """``switched``: another encoder is live now. ``comparison`` decided, ``None`` if nothing was compared."""

    switched: bool
    comparison: Comparison | None = None


def upgrade(settings: Settings, spec: str, force: str, bars: Bars) -> UpgradeOutcome:
    """Make the encoder of ``spec`` live, if it is not worse than the live one, or if ``force`` gives a reason.

    A comparison that rejects it is not an error, but then nothing is switched. Raises ``NeedleError``.
    """
    with _lock_upgrades(settings, bars):
        candidate = name_candidate(settings, spec, force)
        if candidate is None:
            return UpgradeOutcome(switched=False)
        _note_foreign_probes(settings, bars)
        is_live = _try_candidate(settings, candidate, ("encoder_comparison", "live_encoder"), bars)
        comparison = read_last_comparison(settings, candidate.encoder_id)
        if is_live:
            _follow_up(settings, bars)
        return UpgradeOutcome(switched=is_live, comparison=comparison)


def rollback(settings: Settings, bars: Bars) -> UpgradeOutcome:
    """Make the previous encoder live again, with the footage that came since. Raises ``NeedleError``."""
    with _lock_upgrades(settings, bars):
        previous = EncoderRegistry(settings.home).read_state().previous
        if previous and settings.store.has_conditions:
            fetch_encoder(settings, previous)  # it may never have been live in this home
        _try_candidate(settings, name_previous(settings), ("live_encoder",), bars)
        _follow_up(settings, bars)
        return UpgradeOutcome(switched=True)


def follow(settings: Settings, bars: Bars) -> None:
    """Make the encoder live here that another home on the same bucket made live; end a switch that was killed.

    Records which encoder this home uses, and deletes what a switch left for homes that do not use it any more.
    Raises ``NeedleError``, and changes nothing, if this home cannot have the encoder, or if NEEDLE_ENCODER names
    another one.
    """
    if find_shared_state(settings) is not None or not EncoderRegistry(settings.home).read_state().cleanup_done:
        with lock_if_free(_upgrade_lock(settings)) as is_free:
            if is_free:
                catalogue.require_layout(settings)
                _finish_earlier(settings, bars)
                _follow(settings, bars)
            else:
                bars.note(
                    "encoder", "another command changes the live encoder of this home: this one goes on as before"
                )
    if choice := note_use(settings, resolve_encoder(settings).encoder_id, _today()):
        delete_left(settings, choice, _today())


def forget_home(settings: Settings, name: str) -> None:
    """Remove a home that is gone from the record of the store, and what only it used. Raises ``NeedleError``."""
    with lock_if_free(_upgrade_lock(settings)) as is_free:
        if not is_free:
            raise NeedleError(f"another command changes the live encoder of {settings.home}: wait until it ends")
        remove_home(settings, name)
        if choice := note_use(settings, resolve_encoder(settings).encoder_id, _today()):
            delete_left(settings, choice, _today())


def _note_foreign_probes(settings: Settings, bars: Bars) -> None:
    """Report probes that another home defined: only a home that defines them can fit them again."""
    foreign = sorted(set(list_fitted_probes(settings)) - set(load_definitions(settings)))
    if labels := [label for label in foreign if read_state(settings, label).promoted]:
        bars.note(
            "comparison",
            f"not defined in this home, so neither compared nor fitted again: {', '.join(labels)}; their scores stay "
            "those of the encoder before until `needle ingest` in a home that defines them",
        )


def _follow(settings: Settings, bars: Bars) -> None:
    shared = find_shared_state(settings)
    if shared is None:
        return
    bars.note("encoder", f"{shared.live.spec} is live in {settings.storage_uri} since {shared.live.since}: following")
    warning = explain_setting_against_shared(settings, shared)
    fetch_encoder(settings, shared.live)
    candidate = adopt(settings, shared)
    if candidate is None:
        finish_switch(settings, _today())
    else:
        put_away_all(settings, resolve_encoder(settings).encoder_id, bars)  # as an ingest does
        _try_candidate(settings, candidate, ("live_encoder",), bars)
        _follow_up(settings, bars)
    if warning:
        bars.note("encoder", warning)


def _finish_earlier(settings: Settings, bars: Bars) -> None:
    """Do the work that a killed command left after its switch."""
    if not EncoderRegistry(settings.home).read_state().cleanup_done:
        _follow_up(settings, bars)


def withdraw(settings: Settings, bars: Bars) -> UpgradeCandidate:
    """Delete the data of the candidate encoder, which is not live. Raises ``NeedleError``."""
    with _lock_upgrades(settings, bars, follows=False):
        return discard(settings, _today())


def _try_candidate(settings: Settings, candidate: UpgradeCandidate, last: Sequence[str], bars: Bars) -> bool:
    """Compute the candidate's missing data and switch to it; return False if the comparison rejects it."""
    note_use(settings, resolve_encoder(settings).encoder_id, _today())  # no other home deletes it meanwhile
    for attempt in range(ATTEMPTS):
        try:
            comparison_steps = COMPARISON_INPUTS if candidate.how == "upgrade" else ()
            _run(settings, bars, (*comparison_steps, *BESIDE), (*BEFORE, *last))
            return True
        except NeedleError:
            comparison = read_current_comparison(settings, candidate, resolve_encoder(settings))
            if candidate.how == "upgrade" and comparison and not comparison.passed:
                return False  # the blocking check stopped the run: that is its purpose
            if attempt == ATTEMPTS - 1 or not find_missing(settings, candidate.encoder_id):
                raise
            bars.note("comparison", "the catalogue changed meanwhile: computing the new part")
    raise AssertionError("the last attempt returns or raises")


def _follow_up(settings: Settings, bars: Bars) -> None:
    """Update records, features and scores of the encoder that is live now, and delete data that expired."""
    live = resolve_encoder(settings)
    labels = list_probes_to_refit(settings)
    last = ("search_index", *(f"probe/{label}" for label in labels), *(f"probe_scores/{label}" for label in labels))
    try:
        _run(settings, bars, FOLLOWING, last)
    except NeedleError as error:
        # A refused fit stays refused, and the previous version continues to score: then all work is done.
        refusals = isinstance(error, ChecksFailedError) and error.assets <= {f"probe/{label}" for label in labels}
        if not (refusals and all(is_scored(settings, label) for label in labels)):
            message = f"{live.spec} is live, but not all that follows was done: {error}; run it again"
            raise NeedleError(message) from error
    finish_switch(settings, _today())


def _run(settings: Settings, bars: Bars, steps: Sequence[str], last: Sequence[str]) -> None:
    runs.run_pipeline(
        settings,
        settings.lake.list_partitions(SHOTS),
        [each for each in runs.find_interrupted_ingests(settings) if not each.partitions],
        bars,
        last,
        partitioned_steps=steps,
        indexes=(),
        started_by=STARTED_BY,
    )


@contextmanager
def _lock_upgrades(settings: Settings, bars: Bars, *, follows: bool = True) -> Iterator[None]:
    """Allow one upgrade at a time; work that a killed one left after its switch is done first.

    If it ``follows``, an encoder that another home made live is made live here before.
    """
    with lock_if_free(_upgrade_lock(settings)) as is_free:
        if not is_free:
            raise NeedleError(
                f"another `needle upgrade`, or an ingest that follows one, runs on {settings.home}: wait until it ends"
            )
        catalogue.require_layout(settings)
        if runs.count_running_ingests(settings):
            bars.note("comparison", "an ingest runs: the switch waits for it, and both encoders embed its shots")
        _finish_earlier(settings, bars)
        if follows:
            _follow(settings, bars)
        yield


def _today() -> date:
    return datetime.now(UTC).date()


def _upgrade_lock(settings: Settings) -> Path:
    return settings.home / "locks" / "upgrade.lock"
