"""Whether a pack of sampled frames, written while a video is cut, would save CPU against reading them from proxies.

    python -m tests.bench.bench_packs --film FILM | --home HOME [--shots N]

The first minutes of the film are cut, or HOME has ingested videos. For each form of a pack: CPU milliseconds a shot of
encoding its eight frames while the cutter has them, of writing the pack to a store on disk and reading it back, and of
decoding and preparing the frames for open_clip's ViT-B-32 (224 x 224); bytes a shot; and the smallest cosine of the
prepared pixels to those that come from the proxy's own frames. Frames to encode are YUV 4:2:0, as in the cutter.
Holding candidates until a shot ends, because its length is unknown before, costs memory and is not counted. Prints one
JSON document.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.encoders.open_clip import build_preparation
from ops.embeddings.frames import read_frames, sample_positions
from tests.bench.bench_embedding import cut_beginning, list_shots

FRAMES = 8
SIZE = {
    "size": 224,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
PREPARE = build_preparation(SIZE)

Write = Callable[[list[av.VideoFrame]], bytes]
Read = Callable[[bytes], NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--film", type=Path)
    source.add_argument("--home", type=Path)
    parser.add_argument("--shots", type=int, default=60)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = options.home
        settings = load_settings(home=str(home)) if home else cut_beginning(options.film.absolute(), Path(folder))
        print(json.dumps(measure(settings, options.shots), indent=1))


def measure(settings: Settings, count: int) -> dict[str, Any]:
    shots = [shot for shot in list_shots(settings) if shot.frames >= FRAMES]
    shots = shots[:: max(1, len(shots) // count)][:count]
    reading, preparing, size = 0.0, 0.0, 0
    shot_frames, expected = [], []
    PREPARE(np.zeros((FRAMES, 360, 640, 3), np.uint8))  # the first call imports torch
    for shot in shots:
        began = time.thread_time()
        frames_NHWC = read_frames(settings.store, shot.proxy_key, sample_positions(shot.frames, FRAMES), shot.frames)
        middle = time.thread_time()
        expected.append(PREPARE(frames_NHWC))
        reading, preparing = reading + middle - began, preparing + time.thread_time() - middle
        size += len(settings.store.read_bytes(shot.proxy_key))
        pictures = (av.VideoFrame.from_ndarray(each, format="rgb24") for each in frames_NHWC)
        shot_frames.append([each.reformat(format="yuv420p") for each in pictures])
    rows = {"proxies": _describe(0.0, 0.0, reading, preparing, size, len(shots), 1.0)}
    for name, (write, read) in list_forms().items():
        rows[name] = measure_form(write, read, shot_frames, expected)
    return {"shots": len(shots), "frames": FRAMES, "forms": rows}


def measure_form(
    write: Write, read: Read, shot_frames: Sequence[list[av.VideoFrame]], expected: Sequence[NDArray[Any]]
) -> dict[str, float]:
    began = time.thread_time()
    parts = [write(frames) for frames in shot_frames]
    encoding_s, smallest = time.thread_time() - began, 1.0
    storing_s, decoding_s, preparing_s = measure_store(parts), 0.0, 0.0
    for data, wanted in zip(parts, expected, strict=True):
        began = time.thread_time()
        images_NHWC = read(data)
        decoded = time.thread_time()
        prepared = images_NHWC if images_NHWC.shape[1] == 3 else PREPARE(images_NHWC)
        decoding_s, preparing_s = decoding_s + decoded - began, preparing_s + time.thread_time() - decoded
        smallest = min(smallest, _compare(prepared, wanted))
    size = sum(map(len, parts))
    return _describe(encoding_s, storing_s, decoding_s, preparing_s, size, len(parts), smallest)


def measure_store(parts: Sequence[bytes]) -> float:
    """CPU seconds of writing a pack as one object, and reading it back."""
    with tempfile.TemporaryDirectory() as folder:
        store = ObjectStore(folder)
        began = time.thread_time()
        store.write_bytes("pack", b"".join(parts))
        assert len(store.read_bytes("pack")) == sum(map(len, parts))
        return time.thread_time() - began


def list_forms() -> dict[str, tuple[Write, Read]]:
    forms: dict[str, tuple[Write, Read]] = {}
    for quality in (80, 95):
        forms[f"JPEG, quality {quality}"] = (lambda frames, q=quality: write_jpegs(frames, q), read_jpegs)
    forms["intra-only video, H.264"] = (
        lambda frames: write_video(frames, "libx264", {"preset": "ultrafast", "crf": "18", "g": "1"}),
        read_video,
    )
    forms["intra-only video, MJPEG"] = (lambda frames: write_video(frames, "mjpeg", {"q": "3"}), read_video)
    forms["pixels, YUV 4:2:0"] = (write_yuv, read_yuv)
    forms["pixels, prepared"] = (write_prepared, read_prepared)
    return forms


def write_jpegs(frames: list[av.VideoFrame], quality: int) -> bytes:
    images = (frame.to_ndarray(format="bgr24") for frame in frames)
    parts = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
    return _join([part.tobytes() for part in parts])


def read_jpegs(data: bytes) -> NDArray[np.uint8]:
    images = [cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR) for part in _split(data)]
    return np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images])


def write_video(frames: list[av.VideoFrame], codec: str, options: dict[str, str]) -> bytes:
    """One stream of a shot; in a pack of a video the container's few hundred bytes would be shared."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(frames):
            picture = frame.reformat(format=stream.pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


def read_video(data: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(data)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def write_yuv(frames: list[av.VideoFrame]) -> bytes:
    height, width = frames[0].height, frames[0].width
    return _join([np.array([height, width]).tobytes(), *(frame.to_ndarray().tobytes() for frame in frames)])


def read_yuv(data: bytes) -> NDArray[np.uint8]:
    head, *planes = _split(data)
    height, width = np.frombuffer(head, np.int64)
    yuv = (np.frombuffer(part, np.uint8).reshape(height * 3 // 2, width) for part in planes)
    return np.stack([cv2.cvtColor(each, cv2.COLOR_YUV2RGB_I420) for each in yuv])


def write_prepared(frames: list[av.VideoFrame]) -> bytes:
    images = [cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420) for frame in frames]
    prepared: NDArray[np.uint8] = PREPARE(np.stack(images))
    return prepared.tobytes()


def read_prepared(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, 3, 224, 224)


def _join(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _split(data: bytes) -> list[bytes]:
    parts, start = [], 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        parts.append(data[start + 4 : end])
        start = end
    return parts


def _compare(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = (each.astype(np.float64).ravel() - 127.5 for each in (one, other))
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))


def _describe(
    encoding: float, storing: float, decoding: float, preparing: float, size: int, shots: int, cosine: float
) -> dict[str, float]:
    seconds = {"encode": encoding, "store": storing, "decode": decoding, "prepare": preparing}
    a_shot = {f"{name}_cpu_ms": round(1000 * value / shots, 2) for name, value in seconds.items()}
    total = round(sum(a_shot.values()), 2)
    return {**a_shot, "sum_cpu_ms": total, "kilobytes": round(size / shots / 1000, 1), "cosine": round(cosine, 5)}


if __name__ == "__main__":
    main()
