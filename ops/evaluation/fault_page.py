"""One HTML file with every false and every missed boundary: no script, no external address, all images inside.

Names of files are foreign: they are escaped, and the page's policy forbids it to load or run anything.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from ops.core.plural import plural
from ops.evaluation.clip_cuts import INTERVALS, METRICS, TOLERANCE, ClipCuts, ClipFault, CutEvaluation
from ops.evaluation.cuts import BoundaryScore, CutScore
from ops.evaluation.strips import COLUMNS, Evidence, Strip, Strips

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_KINDS = {
    ("missed", "cut"): "missed hard cut",
    ("false", "cut"): "false hard cut",
    ("missed", "gradual"): "missed gradual transition",
    ("false", "gradual"): "false gradual transition",
}
LEAST_SURROUNDINGS = 0.1
"""Below this change the frames around do not move, and a ratio to them is meaningless."""
_PAGE_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;color:#222;max-width:1180px;margin:0 auto;padding:16px}
h1{font-size:24px;margin:8px 0}
"""
_STYLE = """
:root{color-scheme:light;--missed:#0072b2;--false:#d55f2c}
.cuts{font:14px/1.5 system-ui,sans-serif}
.cuts h2{font-size:18px;margin:32px 0 8px;overflow-wrap:anywhere}
.cuts h3{font-size:15px;margin:0;font-weight:600}
.cuts table{border-collapse:collapse;margin:8px 0 16px;font-size:14px;font-variant-numeric:tabular-nums}
.cuts th,.cuts td{padding:3px 12px 3px 0;text-align:right;vertical-align:top}
.cuts th{font-weight:600;border-bottom:1px solid #bbb}
.cuts th:first-child,.cuts td:first-child{text-align:left;overflow-wrap:anywhere;max-width:360px}
.cuts td small{color:#555;white-space:nowrap}
.cuts .pooled td{border-top:1px solid #bbb;font-weight:600}
.fault{margin:14px 0;padding:8px 0 0 12px;border-left:4px solid}
.fault{content-visibility:auto;contain-intrinsic-size:auto 190px}
.missed{border-color:var(--missed)}.false{border-color:var(--false)}
.missed h3 b{color:var(--missed)}.false h3 b{color:#b0451a}
.evidence{margin:0;color:#444;font-size:13px}
.strip{margin:4px 0 0}.strip img{display:block;outline:1px solid #bebebe;max-width:100%;height:auto}
.numbers{display:grid;font-size:12px;font-variant-numeric:tabular-nums;color:#444}
.numbers span{padding-left:6px}.numbers .begins{font-weight:700;color:#000}
.numbers .inside{background:#cfe6f5}
.cuts fieldset{border:1px solid #ccc;padding:4px 12px;margin:16px 0}.cuts label{margin-right:18px;white-space:nowrap}
"""


def render_fault_page(evaluation: CutEvaluation, strips: Strips, *, measured_at: str = "") -> str:
    """The page of an evaluation, as text. ``measured_at`` is a date for people."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<title>Shot boundaries: false and missed</title>",
            f"<style>{_PAGE_STYLE}</style></head><body>",
            "<h1>Shot boundaries: false and missed</h1>",
            render_evaluation(evaluation, strips, measured_at=measured_at),
            "</body></html>",
            "",
        ]
    )


def render_evaluation(evaluation: CutEvaluation, strips: Strips, *, measured_at: str = "") -> str:
    """The content of the page, for another page: figures, and each fault with its strip."""
    filters = "".join(
        f"body:has(#{kind}-{transition}:not(:checked)) .{kind}.{transition}{{display:none}}"
        for kind, transition in _KINDS
    )
    sections = [_render_clip(clip, number, strips) for number, clip in enumerate(evaluation.clips) if clip.faults]
    return "\n".join(
        [
            f'<style>{_STYLE}{filters}</style><div class="cuts">',
            _render_introduction(evaluation, measured_at),
            render_summary_table(evaluation),
            _render_filters(evaluation),
            *sections,
            "</div>",
        ]
    )


def render_summary_table(evaluation: CutEvaluation) -> str:
    """Precision, recall and F1 of each kind, pooled with intervals and by clip, as HTML tables."""
    parts = []
    intervals = evaluation.estimate_intervals()
    for title, kind in (("Hard cuts", "hard"), ("Gradual transitions", "gradual")):
        kind_intervals = {metric: intervals[f"{kind}_{metric}"] for metric in METRICS}
        rows = [_render_row("all clips", _select_kind(evaluation.pooled, kind), kind_intervals, "pooled")]
        for number, clip in _sort_by_faults(evaluation.clips):
            name = f'<a href="#clip-{number}">{_escape_text(clip.name)}</a>' if clip.faults else _escape_text(clip.name)
            rows.append(_render_row(name, _select_kind(clip.match.score, kind), {}))
        head = "".join(f"<th>{name}</th>" for name in ("", "F1", "precision", "recall", "right", "false", "missed"))
        parts.append(f"<h2>{title}</h2><table><tr>{head}</tr>{''.join(rows)}</table>")
    return "".join(parts)


def _sort_by_faults(clips: Sequence[ClipCuts]) -> list[tuple[int, ClipCuts]]:
    return sorted(enumerate(clips), key=lambda each: (-len(each[1].faults), each[1].name))


def _select_kind(score: BoundaryScore, kind: str) -> CutScore:
    return score.hard if kind == "hard" else score.gradual


def _render_row(name: str, score: CutScore, intervals: dict[str, tuple[float, float] | None], style: str = "") -> str:
    cells = [f"<td>{name}</td>"]
    for metric in METRICS:
        interval = intervals.get(metric)
        beside = f" <small>[{interval[0]:.3f}, {interval[1]:.3f}]</small>" if interval else ""
        cells.append(f"<td>{format_share(score, metric)}{beside}</td>")
    cells += [f"<td>{count:,}</td>" for count in (score.right, score.false, score.missed)]
    return f'<tr class="{style}">{"".join(cells)}</tr>'


def format_share(score: CutScore, metric: str) -> str:
    """A share with three digits; a dash if its denominator is 0."""
    whole = {"precision": score.right + score.false, "recall": score.right + score.missed}
    return f"{getattr(score, metric):.3f}" if whole.get(metric, sum(whole.values())) else "–"


def _render_introduction(evaluation: CutEvaluation, measured_at: str) -> str:
    frames = sum(clip.frames for clip in evaluation.clips)
    when = f" on {_escape_text(measured_at)}" if measured_at else ""
    parts = [
        f"<p>Detector <b>{_escape_text(evaluation.detector)}</b> on {len(evaluation.clips):,} annotated clips, "
        f"{frames:,} frames{when}. A detection is right within ±{TOLERANCE} frames of a hard cut, or in a gradual "
        f"transition. Intervals: {_escape_text(INTERVALS)}.</p>"
    ]
    if evaluation.set_aside:
        rows = "".join(
            f"<li><b>{_escape_text(entry.name)}</b>: {_escape_text(entry.reason)}</li>"
            for entry in evaluation.set_aside
        )
        parts.append(f"<p>Not measured:</p><ul>{rows}</ul>")
    note_items = [
        f"<li><b>{_escape_text(entry.name)}</b>: {_escape_text(note)}</li>"
        for entry in evaluation.clips
        for note in entry.notes
    ]
    if note_items:
        parts.append(f"<p>Notes:</p><ul>{''.join(note_items)}</ul>")
    return "".join(parts)


def _render_filters(evaluation: CutEvaluation) -> str:
    faults = evaluation.faults
    if not faults:
        return "<p>No boundary is false, and none is missed.</p>"
    boxes = []
    for (kind, transition), title in _KINDS.items():
        count = sum((fault.fault.kind, fault.fault.transition) == (kind, transition) for fault in faults)
        mark = f'<input type="checkbox" id="{kind}-{transition}" checked>'
        boxes.append(f"<label>{mark} {title}s ({count:,})</label>")
    return (
        f"<fieldset><legend>{plural(len(faults), 'fault')}: show</legend>{''.join(boxes)}</fieldset>"
        "<p>The coloured line in a strip is the boundary: blue where a shot begins that was not detected, orange where "
        "one was detected that is none. Frames of a missed gradual transition have a blue background under them. "
        "<i>Change</i> is the largest mean difference of two consecutive frames there, of 255, on pictures of 32 × 18, "
        "<i>surroundings</i> the mean of that over the frames around, and <i>across</i> the difference of the pictures "
        "before and after.</p>"
    )


def _render_clip(clip: ClipCuts, number: int, strips: Strips) -> str:
    cards = "".join(render_fault(fault, strips) for fault in clip.faults)
    return f'<section><h2 id="clip-{number}">{_escape_text(clip.name)} ({len(clip.faults):,})</h2>{cards}</section>'


def render_fault(fault: ClipFault, strips: Strips) -> str:
    """One fault as HTML: kind, frame, time, evidence and strip, or the reason why there is none."""
    boundary, strip = fault.fault, strips.strips.get(fault)
    frames = (
        f"frame {boundary.first}" if boundary.first == boundary.last else f"frames {boundary.first} to {boundary.last}"
    )
    title = f"<b>{_KINDS[boundary.kind, boundary.transition]}</b> · {frames} · {_format_time(fault.time_s)}"
    remarks = [*_describe_nearest(fault), *(_describe_evidence(strip.evidence) if strip else [])]
    if not strip:
        remarks.append(f"No pictures: {_escape_text(strips.reasons.get(fault, 'none were read'))}.")
    body = _render_strip(strip, f"{_escape_text(fault.clip)}, {frames}") if strip else ""
    return (
        f'<article class="fault {boundary.kind} {boundary.transition}"><h3>{title}</h3>'
        f'<p class="evidence">{" ".join(remarks)}</p>{body}</article>'
    )


def _describe_nearest(fault: ClipFault) -> Iterable[str]:
    other = "annotated boundary" if fault.fault.kind == "false" else "detection"
    if fault.nearest is None:
        yield f"No {other} within a second."
    else:
        yield f"Nearest {other}: frame {fault.nearest} ({fault.nearest - fault.fault.first:+,})."


def _describe_evidence(evidence: Evidence) -> Iterable[str]:
    quiet = evidence.surroundings
    ratio = f", {evidence.change / quiet:.1f} times as much" if quiet >= LEAST_SURROUNDINGS else ""
    yield f"Change {evidence.change:.1f}{ratio} (surroundings {quiet:.1f}); across {evidence.across:.1f}."
    if evidence.probability is not None and evidence.anywhere is not None:
        yield f"TransNetV2: {evidence.probability:.3f} last frame of a shot, {evidence.anywhere:.3f} in a transition."


def _render_strip(strip: Strip, words: str) -> str:
    address = f"data:image/jpeg;base64,{base64.b64encode(strip.jpeg).decode()}"
    numbers = []
    for at, frame in enumerate(strip.frames):
        style = "begins" if at == strip.begins else "inside" if strip.inside[at] else ""
        numbers.append(f'<span class="{style}">{frame}</span>')
    share = 100 * len(strip.frames) / COLUMNS
    width = f"width:min({share:.1f}%,{strip.width}px)"
    return (
        f'<figure class="strip" style="{width}"><img alt="Frames around the boundary: {words}" width="{strip.width}" '
        f'height="{strip.height}" loading="lazy" decoding="async" src="{address}">'
        f'<div class="numbers" style="grid-template-columns:repeat({len(strip.frames)},1fr)">{"".join(numbers)}</div>'
        "</figure>"
    )


def _format_time(seconds: float | None) -> str:
    if seconds is None:
        return "after the end of the clip"
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"


def _escape_text(text: str) -> str:
    """Foreign text as HTML: tags are shown, control and direction characters are written as codes."""
    return html.escape("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text))
