"""The unavoidable parts of an ingest, one at a time, in CPU seconds: ``python -m tests.bench.parts NAME FILM HOME``."""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ops.core.settings import Settings, load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.embeddings.frames import read_frames, sample_positions
from ops.shots.build import read_shots
from ops.shots.cutting import choose_time_base
from ops.shots.proxies import RATE, ProxyFormat, ProxyWriter
from ops.shots.scaling import FrameScaler
from ops.shots.segment import make_proxy_key
from ops.videos.catalogue import find_video
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from ops.videos.sound_line import SoundMix
from tests.bench.bench_ingest import cpu_of


def decode(film: Path) -> None:
    """Decode every picture, and the sound where there is some."""
    for _ in read_media(film, audio=[track.stream for track in probe(film).heard_tracks]):
        pass


def encode(film: Path, cuts: list[int]) -> None:
    """Decode, scale and encode one proxy for each shot whose boundaries are known beforehand."""
    info = probe(film)
    scaler, sound = FrameScaler(info), SoundMix(info.heard_tracks, RATE)
    heard = [track.stream for track in info.heard_tracks]
    ends = iter([*cuts, sys.maxsize])
    end, writer, ticks, began, last_s = next(ends), None, Fraction(1), Fraction(0), Fraction(0)
    with tempfile.TemporaryDirectory() as folder:
        for item in read_media(film, audio=heard):
            if not isinstance(item, DecodedFrame):
                sound.add(item.stream, item.time_s, item.frame)
                continue
            frame, last_s = next(scaler.push(item.frame)), item.time_s
            if writer is None or item.index == end:
                if writer:
                    _finish(writer, sound, began, last_s, ticks, info.has_audio)
                    end = next(ends)
                ticks, began = choose_time_base(info, frame), item.time_s
                form = ProxyFormat(size=scaler.size, fps=info.fps, time_base=ticks, has_audio=info.has_audio)
                writer = ProxyWriter(Path(folder) / f"{item.index}.mp4", form)
            writer.add_frame(frame, round((item.time_s - began) / ticks))
        assert writer
        _finish(writer, sound, began, last_s + 1 / info.fps, ticks, info.has_audio)


def _finish(
    writer: ProxyWriter, sound: SoundMix, began: Fraction, until: Fraction, ticks: Fraction, has_audio: bool
) -> None:
    if has_audio:
        writer.add_samples(sound.take(round(began * RATE), round(until * RATE)))
        sound.forget(round(until * RATE))
    writer.close(round((until - began) / ticks))


def embed(settings: Settings, video_id: str) -> float:
    """CPU seconds of the encoder, its scaling included, on the frames that an ingest samples, not of reading them."""
    encoder = load_encoder(resolve_encoder(settings).encoder_id, settings.home)
    encoder.encode_frames(np.zeros((encoder.batch_frames, 64, 64, 3), np.uint8))
    waiting, seconds = [], 0.0
    for shot in read_shots(settings, video_id):
        span = shot["start_frame"], shot["end_frame"]
        length = span[1] - span[0]
        positions = sample_positions(length, settings.frames_per_shot)
        frames = read_frames(settings.store, make_proxy_key(video_id, *span), positions, length)
        waiting.append(encoder.prepare(frames))
        seconds += cpu_of(partial(encoder.prepare, frames))
    prepared = np.concatenate(waiting)
    size = encoder.batch_frames
    batches = [prepared[at : at + size] for at in range(0, len(prepared), size)]
    seconds += cpu_of(lambda: [encoder.encode_prepared(batch) for batch in batches])
    return seconds


def main() -> None:
    name, film, settings = sys.argv[1], Path(sys.argv[2]), load_settings(home=sys.argv[3])
    video_id = find_video(settings.lake, str(film))["video_id"]
    cuts = [shot["start_frame"] for shot in read_shots(settings, video_id)][1:]
    match name:
        case "decode":
            print(cpu_of(lambda: decode(film)))
        case "encode":
            both = cpu_of(lambda: encode(film, cuts))
            print(both - cpu_of(lambda: decode(film)))
        case "embed":
            print(embed(settings, video_id))


if __name__ == "__main__":
    main()
