"""Cut videos on a Ray cluster, a task each: the work of :func:`ops.shots.processes.segment_videos`, on many machines.

A task, and not a run of Dagster for each video: a run costs some seconds before it begins and has its own connection to
the records, while one run with many tasks writes the lake in one place, in the order in which videos are finished. A
run launcher would also need an image with this code on every machine; Ray sends it.

Each task reads its video from the library's bucket, and writes proxies and posters to the store; rows are written by
the caller.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ops.cluster.session import open_cluster
from ops.cluster.tasks import TaskLost, run_tasks
from ops.core.errors import ClusterError, MediaError, NeedleError
from ops.shots.processes import OnProgress, Result, Segmentation, SegmentJob, run_job
from ops.shots.segment import make_proxy_key

THREADS = 2
"""For decoding and detecting, which overlap."""


def segment_on_cluster(
    jobs: Sequence[SegmentJob], address: str, *, on_progress: OnProgress | None = None
) -> Iterator[Result]:
    """Cut many videos and yield each result when it is ready, the longest first; see ``segment_videos``.

    ``on_progress`` is called when a video is finished. Every node must reach library and store under their addresses:
    a bucket, or a folder that all nodes have.
    Raises ``ClusterError`` if one does not, or the cluster is lost, and ``StorageError`` as ``segment_videos``.
    """
    longest_first = sorted(jobs, key=lambda job: job.frames, reverse=True)
    with open_cluster(address) as cluster:
        for result in run_tasks(cut_video, longest_first, cluster, cpus=THREADS):
            job, outcome = result.job, result.outcome
            if isinstance(outcome, TaskLost):
                yield job, MediaError(f"the process that cut it ended, twice, on a cluster ({outcome.reason})")
                continue
            if isinstance(outcome, NeedleError) and not isinstance(outcome, MediaError):
                raise outcome
            if isinstance(outcome, Segmentation):
                _require_proxies(job, outcome)
                if on_progress:
                    on_progress(job.video_id, outcome.shots[-1].end_frame if outcome.shots else job.frames)
            yield job, outcome


def cut_video(job: SegmentJob, threads: int) -> Segmentation | NeedleError:
    """Cut one video on a node, in a scratch folder of the node; return an error instead of raising it."""
    if "://" not in job.path and not os.path.exists(job.path):
        return ClusterError(
            f"the node {socket.gethostname()} has no {job.path}: keep the library in a bucket (s3://), or in a folder "
            "that all nodes have"
        )
    with tempfile.TemporaryDirectory(prefix="needle-cut-") as folder:
        try:
            return run_job(replace(job, scratch=Path(folder)), threads, None)
        except NeedleError as error:
            return error


def _require_proxies(job: SegmentJob, result: Segmentation) -> None:
    """Raise ``ClusterError`` if the node has written to another store than this one."""
    for shot in result.shots[:1]:
        if not job.store.exists(make_proxy_key(job.video_id, shot.start_frame, shot.end_frame)):
            raise ClusterError(
                f"a node wrote the proxies of {job.path} elsewhere than {job.store.root}: set NEEDLE_STORAGE to a "
                "bucket (s3://), or to a folder that all nodes have"
            )
