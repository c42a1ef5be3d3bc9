"""People: how well faces of annotated clips are grouped, how well one example finds a person, and the cost.

``python -m tests.bench.bench_people FOLDER`` with the clips of ``tests/quality/faces.json``: boxes and people of three
frames a second, by eye, from contact sheets. A person without a name there is a statue, a drawing or a pattern.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ops.people.clusters import PlacedFace, group_faces, measure_distances, measure_overlap
from ops.people.face_model import LEAST_QUALITY, Box, FaceModel, SeenFace
from ops.people.face_models.dlib_faces import DlibFaceModel

ANNOTATIONS = Path(__file__).parents[1] / "quality" / "faces.json"
LINES = 360
"""Lines of the short side of a proxy."""


@dataclass(frozen=True, kw_only=True)
class FoundFace:
    """A face that the model found, and the annotated person at its place; empty if nobody is."""

    placed: PlacedFace
    quality: float
    person: str


@dataclass(frozen=True, kw_only=True)
class PeopleFigures:
    """Figures of the annotated clips. Pairs are pairs of faces; ``recall`` is over the faces that were grouped."""

    annotated: int
    found: int
    grouped: int
    people: int
    precision: float
    recall: float
    recall_of_all: float
    average_precision: float
    seconds_a_frame: float
    seconds_a_face: float


def read_frames(path: Path, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the wanted frames of a clip as a proxy has them."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if number in wanted:
                yield number, shrink(frame.to_ndarray(format="rgb24"))


def shrink(frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the frame with at most 360 lines on its short side."""
    height, width = frame_HWC.shape[:2]
    scale = LINES / min(height, width)
    if scale >= 1:
        return frame_HWC
    return np.asarray(
        cv2.resize(frame_HWC, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    )


def find_annotated(face: SeenFace, annotated: Sequence[tuple[Box, str]]) -> str:
    """Return the person at the place of a face."""
    return next((person for box, person in annotated if measure_overlap(box, face.box) >= 0.4), "")


def find_faces(folder: Path, model: FaceModel) -> tuple[list[FoundFace], list[str], float]:
    """Return the found faces, the annotated person of each annotated face, and CPU seconds for a face."""
    faces: list[FoundFace] = []
    people: list[str] = []
    seconds_a_face = 0.0
    for name, clip in json.loads(ANNOTATIONS.read_text()).items():
        rows = {
            int(frame): [(tuple(side / 1000 for side in row["box"]), row["person"]) for row in boxes]
            for frame, boxes in clip["frames"].items()
        }
        people += [person for boxes in rows.values() for _, person in boxes if person]
        for look, (frame, picture) in enumerate(read_frames(folder / name, list(rows))):
            seen = model.find_faces(picture)
            if seen and not seconds_a_face:
                seconds_a_face = time_face(model, picture)
            for number, face in enumerate(seen):
                placed = PlacedFace(
                    face_id=f"{name}:{frame}:{number}",
                    shot_id=f"{name}:{bisect_right(clip['cuts'], frame)}",
                    frame=frame,
                    look=look,
                    box=face.box,
                    vector_D=face.vector_D,
                )
                faces.append(FoundFace(placed=placed, quality=face.quality, person=find_annotated(face, rows[frame])))
    return faces, people, seconds_a_face


def measure(folder: Path, model: FaceModel) -> PeopleFigures:
    """Return the figures of the clips in a folder."""
    faces, people, seconds_a_face = find_faces(folder, model)
    clear = [face for face in faces if face.quality >= LEAST_QUALITY]
    groups = group_faces([face.placed for face in clear], {}, model.same_distance)
    together = same = right = 0
    for one, other in combinations(clear, 2):
        is_grouped = groups[one.placed.face_id] == groups[other.placed.face_id]
        is_same = bool(one.person) and one.person == other.person
        together += is_grouped
        same += is_same
        right += is_grouped and is_same
    counts = [people.count(person) for person in set(people)]
    pairs = sum(count * (count - 1) // 2 for count in counts)
    return PeopleFigures(
        annotated=len(people),
        found=sum(bool(face.person) for face in faces),
        grouped=sum(bool(face.person) for face in clear),
        people=len(set(people)),
        precision=right / max(together, 1),
        recall=right / max(same, 1),
        recall_of_all=right / max(pairs, 1),
        average_precision=measure_examples(clear),
        seconds_a_frame=time_frame(model),
        seconds_a_face=seconds_a_face,
    )


def measure_examples(faces: Sequence[FoundFace]) -> float:
    """Return the mean average precision of ranking all other faces by their distance to one example of a person."""
    vectors_ND = np.stack([face.placed.vector_D for face in faces])
    distances_NN = measure_distances(vectors_ND, vectors_ND)
    values = []
    for position, example in enumerate(faces):
        others = [other for other in np.argsort(distances_NN[position], kind="stable") if other != position]
        hits = [bool(example.person) and faces[other].person == example.person for other in others]
        if any(hits):
            ranks = np.flatnonzero(hits) + 1
            values.append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
    return float(np.mean(values))


def time_frame(model: FaceModel) -> float:
    """Return CPU seconds of a frame of 640x360 without a face."""
    frame_HWC = np.full((LINES, 640, 3), 90, np.uint8)
    model.find_faces(frame_HWC)
    start = time.process_time()
    for _ in range(10):
        model.find_faces(frame_HWC)
    return (time.process_time() - start) / 10


def time_face(model: FaceModel, picture_HWC: NDArray[np.uint8]) -> float:
    """Return CPU seconds that the faces of a frame add, for each of them."""
    height, width = picture_HWC.shape[:2]
    plain_HWC = np.full((height, width, 3), 90, np.uint8)
    seconds = []
    for frame_HWC in (picture_HWC, plain_HWC):
        start = time.process_time()
        for _ in range(5):
            model.find_faces(frame_HWC)
        seconds.append((time.process_time() - start) / 5)
    return max(seconds[0] - seconds[1], 0.0) / max(len(model.find_faces(picture_HWC)), 1)


def main() -> int:
    figures = measure(Path(sys.argv[1]), DlibFaceModel())
    print(
        f"people {figures.people}, annotated faces {figures.annotated}, found {figures.found}, clear {figures.grouped}"
    )
    print(f"pairwise precision {figures.precision:.3f}, recall {figures.recall:.3f} of clear faces")
    print(f"pairwise recall {figures.recall_of_all:.3f} of all annotated faces")
    print(f"average precision of one example {figures.average_precision:.3f}")
    looks = 60 * figures.seconds_a_frame
    print(f"CPU: {figures.seconds_a_frame:.3f} s a frame of 640x360, {figures.seconds_a_face:.3f} s more a face")
    with_face = looks + 60 * figures.seconds_a_face
    print(f"a minute of footage at one look a second: {looks:.1f} s, {with_face:.1f} s with a face")
    return 0


if __name__ == "__main__":
    sys.exit(main())
