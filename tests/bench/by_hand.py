"""What a user would do without Needle: PySceneDetect's own command, then decord and the encoder, shot by shot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch  # noqa: F401 - decord, imported before it, makes it crash

from ops.core.settings import load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder


def main() -> None:
    import decord

    film, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True)
    (folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    command = [str(Path(sys.executable).parent / "scenedetect"), "-i", film, "-o", str(folder)]
    subprocess.run(
        [*command, "detect-adaptive", "split-video", "--preset", "veryfast"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
    )
    settings = load_settings()
    encoder = load_encoder(resolve_encoder(settings).encoder_id, settings.home)
    vectors = []
    for clip in sorted(folder.glob("*.mp4")):
        reader = decord.VideoReader(str(clip))
        positions = np.linspace(0, len(reader) - 1, 8).round().astype(int)
        frames = reader.get_batch(positions.tolist()).asnumpy()
        pooled = encoder.encode_frames(frames).mean(axis=0)
        vectors.append(pooled / np.linalg.norm(pooled))
    np.save(folder / "vectors.npy", np.stack(vectors))


if __name__ == "__main__":
    main()
