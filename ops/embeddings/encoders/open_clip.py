"""Any open_clip model as an encoder: weights by pretrained tag or from a local checkpoint file."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, take_first_sentence
from ops.embeddings.bfloat16_tower import TowerSource, load_bfloat16_tower
from ops.embeddings.device_tower import PARTS, DeviceTower
from ops.embeddings.encoder import EncoderKind, LoadOptions, Prepare, require_both_parts
from ops.embeddings.pooling import pool_mean
from ops.embeddings.reading import read_length, require_texts
from ops.embeddings.weights import EncoderIdentity, identify_weights

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

TOKENIZER = "tokenizer.json"
_TEXT_BATCH = 64
# Models of open_clip 3.3 with multilingual text towers or data, by a part of their names.
_MULTILINGUAL = ("xlm", "mt5", "nllb", "i18n", "siglip2", "worldwide")


def identify_open_clip(rest: str) -> EncoderIdentity:
    """The identity of ``<model>/<tag or path>``, without building the model; downloads a tag's weights."""
    return _identify(*_locate_weights(rest))


def require_trainable(rest: str) -> None:
    """Raise ``EncoderError`` unless ``<model>/<tag or path>`` exists and can be fine-tuned; downloads nothing."""
    import open_clip

    model, _, _ = _find_weights(rest)
    if "multimodal_cfg" in (open_clip.get_model_config(model) or {}):
        raise EncoderError(
            f"{model} is a CoCa model, whose towers are not separate, and cannot be fine-tuned: take a CLIP or SigLIP "
            "model, as in `needle models`"
        )


def load_tower(rest: str, preprocessing: dict[str, Any] | None = None) -> tuple[Any, Any, Prepare, dict[str, Any]]:
    """The torch model itself, for fine-tuning: ``(model, tokenizer, prepare, preprocessing)``.

    ``rest``, ``prepare``, ``preprocessing`` and errors as of the encoder; the last value is its configuration.
    """
    model_name, tag, weights = _locate_weights(rest)
    model = _build_model(model_name, tag, weights)
    configuration = dict(preprocessing or model.visual.preprocess_cfg)
    transform = _build_transform(configuration)
    return model, _build_tokenizer(model_name, tag, weights), partial(_prepare, transform), configuration


def guess_languages(model: str) -> tuple[str, ...]:
    """Languages of a model's training texts, as far as its name shows; empty if there are many."""
    return () if any(name in model.lower() for name in _MULTILINGUAL) else ("en",)


class OpenClipEncoder:
    """An open_clip model; see ``ops.embeddings.encoder.Encoder``. ``rest`` is ``<model>/<tag or path>``.

    Checkpoints are untrusted: only tensors are read (``weights_only``), and they must fit the model exactly.
    ``preprocessing`` (mean, std, ...) overrides open_clip's configuration of the weights. On CUDA the image tower runs
    in a ``DeviceTower``, which was tested only on a CPU. On a CPU with bfloat16 the image tower runs in OpenVINO, if it
    is in ``cache`` or ``frames`` to encode are worth its export.
    """

    def __init__(
        self,
        rest: str,
        *,
        device: str = "cpu",
        part: str = "both",
        threads: int = 1,
        preprocessing: dict[str, Any] | None = None,
        cache: Path | None = None,
        frames: int = 0,
    ) -> None:
        import torch

        model_name, tag, weights = _locate_weights(rest)
        self._model = _build_model(model_name, tag, weights).to(device).eval()
        self._tokenizer = _build_tokenizer(model_name, tag, weights)
        configuration = preprocessing or self._model.visual.preprocess_cfg
        self._prepare = build_preparation(configuration)
        self._mean, self._std = (
            255 * torch.tensor(configuration[name], dtype=torch.float32, device=device).reshape(1, -1, 1, 1)
            for name in ("mean", "std")
        )
        self._device = torch.device(device)
        self._is_cuda = self._device.type == "cuda"
        self._calling = threading.Lock()
        self._threads = threads
        self.encoder_id = _identify(model_name, tag, weights).encoder_id
        self._run_tower: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None
        if build_resizing(configuration) and cache and device == "cpu" and part == "both":
            source = _describe_tower(self.encoder_id, model_name, tag, configuration)
            self._run_tower = load_bfloat16_tower(source, cache, threads, frames)
        self.languages = guess_languages(model_name)
        self.dim = int(self._encode_batch(["a"]).shape[1])
        self.batch_frames, self.parallel_calls = 8, 1
        if self._is_cuda and part == "both" and build_resizing(configuration):
            tower = DeviceTower(self._model, self._device, self._normalise)
            self._run_tower, self.batch_frames, self.parallel_calls = tower, PARTS * tower.batch, 2
        self._part = part
        if part == "text" or (self._run_tower and not self._is_cuda):
            self._model.visual = None

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [self._encode_batch(texts[start : start + _TEXT_BATCH]) for start in range(0, len(texts), _TEXT_BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def read_length(self, text: str) -> int:
        return read_length(text, lambda part: [int(token) for token in self._tokenizer([part])[0]])

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        """Uint8 (N, C, H, W), resized and cropped by the weights' configuration; the model's device normalises them.

        For an unusual configuration float32, resized and normalised by open_clip's own transform.
        """
        return self._prepare(frames_NHWC)

    def encode_prepared(self, prepared_NCHW: NDArray[Any]) -> NDArray[np.float32]:
        import torch

        require_both_parts(self._part)
        if not len(prepared_NCHW):
            return np.zeros((0, self.dim), dtype=np.float32)
        if self._run_tower:
            return _scale_to_unit(self._run_tower(prepared_NCHW))
        parts = []
        with self._calling, torch.inference_mode(), torch.autocast("cuda", enabled=self._is_cuda):
            for start in range(0, len(prepared_NCHW), self.batch_frames):
                batch = torch.from_numpy(np.ascontiguousarray(prepared_NCHW[start : start + self.batch_frames]))
                batch = self._normalise(batch.to(self._device))
                parts.append(self._model.encode_image(batch, normalize=True))
            vectors = torch.cat(parts).float().cpu().numpy()
        return _scale_to_unit(vectors)

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.encode_prepared(self.prepare(frames_NHWC))

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        return pool_mean(frame_vectors_ND)

    def _normalise(self, frames_NCHW: torch.Tensor) -> torch.Tensor:
        """Normalise frames of uint8; others are normalised already."""
        return frames_NCHW if frames_NCHW.is_floating_point() else (frames_NCHW.float() - self._mean) / self._std

    def _encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        require_texts(texts)
        with self._calling, torch.inference_mode(), torch.autocast("cuda", enabled=self._is_cuda):
            tokens = self._tokenizer(list(texts)).to(self._device)
            return _scale_to_unit(self._model.encode_text(tokens, normalize=True).float().cpu().numpy())


def _locate_weights(rest: str) -> tuple[str, str, Path]:
    """``(model, tag or path, weights file)``; open_clip's own code downloads the weights if they are missing."""
    import open_clip

    model, tag, configuration = _find_weights(rest)
    if not configuration:
        return model, tag, Path(tag)
    try:
        return model, tag, Path(open_clip.download_pretrained(configuration))
    except Exception as error:  # its class depends on the http library that the hub's client uses
        raise EncoderError(
            f"the weights {model}/{tag} cannot be downloaded ({type(error).__name__}: {error}): "
            "fetch them on a machine with internet and name the file, or use NEEDLE_ENCODER=starter"
        ) from error


def _find_weights(rest: str) -> tuple[str, str, dict[str, Any]]:
    """``(model, tag, configuration of the tag)``, or ``(model, absolute path, {})``.

    Raises ``EncoderError`` if open_clip has no such model or tag, or the file does not exist.
    """
    import open_clip

    model, slash, tag = rest.partition("/")
    if open_clip.get_model_config(model) is None:
        raise EncoderError(f"open_clip has no model {model!r}: see open_clip.list_models()")
    if not slash or not tag:
        raise EncoderError(f"open_clip:{rest} names no weights: write open_clip:{model}/<pretrained tag or file>")
    tags = open_clip.list_pretrained_tags_by_model(model)
    configuration = open_clip.get_pretrained_cfg(model, tag)
    if not configuration:
        path = Path(tag).expanduser()
        if path.is_file():
            return model, str(path.absolute()), {}
        raise EncoderError(
            f"{tag!r} is neither a file nor a pretrained tag of {model} (tags: {', '.join(tags) or 'none'})"
        )
    return model, tag, dict(configuration)


def _build_model(model: str, tag: str, weights: Path) -> Any:
    import open_clip

    try:
        return open_clip.create_model(model, pretrained=tag, weights_only=True, require_pretrained=True)
    except pickle.UnpicklingError as error:
        raise EncoderError(
            f"{weights} is not a checkpoint that can be read safely (tensors only): {take_first_sentence(error)}"
        ) from error
    except Exception as error:  # for bytes that are not a checkpoint, the unpickler may raise anything
        raise EncoderError(f"{weights} does not hold the weights of {model}: {take_first_sentence(error)}") from error


def find_tokenizer_file(model: str, tag: str, weights: Path) -> Path | None:
    """The ``tokenizer.json`` beside a checkpoint file, of a model whose tokenizer is not part of open_clip.

    Of a pretrained tag the weights are in the hub's cache, and so is the tokenizer: ``None``.
    """
    beside = weights.with_name(TOKENIZER)
    is_local = tag == str(weights) and beside.is_file()
    return beside if is_local and _read_tokenizer_settings(model) else None


def list_tokenizer_files(rest: str) -> list[Path]:
    """The files of a tokenizer beside a checkpoint file, which a copy of the weights needs too."""
    tokenizer = find_tokenizer_file(*_locate_weights(rest))
    return sorted(tokenizer.parent.glob("tokenizer*.json")) if tokenizer else []


def _read_tokenizer_settings(model: str) -> dict[str, Any]:
    """The settings of a model's tokenizer if that is on the hub, as of SigLIP 2; empty if open_clip has it."""
    import open_clip

    text = (open_clip.get_model_config(model) or {}).get("text_cfg", {})
    return text if text.get("hf_tokenizer_name") else {}


def _build_tokenizer(model: str, tag: str, weights: Path) -> Any:
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    local, settings = find_tokenizer_file(model, tag, weights), _read_tokenizer_settings(model)
    if local is None and not settings:
        return open_clip.get_tokenizer(model)
    try:
        if local is None:
            return open_clip.get_tokenizer(model)
        return HFTokenizer(
            str(local.parent),
            context_length=settings.get("context_length", 77),
            tokenizer_mode=settings.get("tokenizer_mode"),
            **settings.get("tokenizer_kwargs", {}),
        )
    except ImportError as error:
        raise EncoderError(
            f"the tokenizer of {model} needs another package ({error}): pip install transformers"
        ) from error
    except Exception as error:  # its class depends on the http library, and on what the files hold
        raise EncoderError(
            f"the tokenizer of {model}, {settings['hf_tokenizer_name']}, cannot be loaded "
            f"({take_first_sentence(error)}): put its {TOKENIZER} and tokenizer_config.json beside a checkpoint file, "
            f"here {weights.parent}, and name that file"
        ) from error


def _identify(model: str, tag: str, weights: Path) -> EncoderIdentity:
    import open_clip

    configuration = json.dumps(open_clip.get_model_config(model), sort_keys=True, default=str)
    preprocessing = {
        **(open_clip.get_pretrained_cfg(model, tag) or {}),
        "model": hashlib.sha256(configuration.encode()).hexdigest(),
    }
    for place in ("url", "hf_hub", "file"):
        preprocessing.pop(place, None)
    tokenizer = find_tokenizer_file(model, tag, weights)
    return identify_weights(f"open_clip_{model}", [weights, *([tokenizer] if tokenizer else [])], preprocessing)


def _describe_tower(encoder_id: str, model: str, tag: str, configuration: dict[str, Any]) -> TowerSource:
    import open_clip

    preprocessing = json.loads(json.dumps(configuration))
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode()).hexdigest()[:8]
    architecture = json.loads(json.dumps(open_clip.get_model_config(model), default=str))
    return TowerSource(
        key=f"{encoder_id}-{digest}", model=model, tag=tag, architecture=architecture, preprocessing=preprocessing
    )


def _prepare(transform: Any, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
    from PIL import Image

    inputs = [transform(Image.fromarray(frame)).numpy() for frame in frames_NHWC]
    return np.stack(inputs) if inputs else np.zeros((0, 3, 1, 1), dtype=np.float32)


def _build_transform(configuration: dict[str, Any]) -> Any:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    return image_transform_v2(PreprocessCfg(**configuration), is_train=False)


def build_preparation(configuration: dict[str, Any]) -> Prepare:
    """Resizing and cropping on bytes or, for an unusual configuration, open_clip's own transform."""
    return build_resizing(configuration) or partial(_prepare, _build_transform(configuration))


def build_resizing(configuration: dict[str, Any]) -> Prepare | None:
    """The resizing and cropping of open_clip's transform, on whole arrays of bytes: a tenth of the CPU of Pillow's.

    ``None`` for an image that is not square, other fillings and interpolations. torch's result for bytes differs from
    Pillow's by at most 2 of 255.
    """
    sizes = configuration["size"]
    height, width = (sizes, sizes) if isinstance(sizes, int) else sizes
    mode, interpolation = configuration.get("resize_mode", "shortest"), configuration.get("interpolation", "bicubic")
    usual = mode in ("shortest", "squash") and interpolation in ("bicubic", "bilinear")
    if not usual or height != width or configuration.get("mode", "RGB") != "RGB":
        return None
    return partial(_resize, int(height), mode == "squash", interpolation)


def _resize(size: int, is_squashed: bool, interpolation: str, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (N, C, size, size) of uint8: all of the picture, or its middle square."""
    import torch

    if not len(frames_NHWC):
        return np.zeros((0, 3, size, size), dtype=np.uint8)
    height, width = frames_NHWC.shape[1:3]
    shortest = min(height, width)
    new_size = (size, size) if is_squashed else (size * height // shortest, size * width // shortest)
    # The view of channels-last memory is what torch's vectorised resizing of bytes takes.
    pictures_NCHW = torch.from_numpy(np.require(frames_NHWC, requirements=("C", "W"))).permute(0, 3, 1, 2)
    resized_NCHW = torch.nn.functional.interpolate(
        pictures_NCHW, new_size, mode=interpolation, align_corners=False, antialias=True
    )
    top, left = (round((side - size) / 2) for side in new_size)
    return np.ascontiguousarray(resized_NCHW[:, :, top : top + size, left : left + size].numpy())


def _scale_to_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


class OpenClipKind(EncoderKind):
    """Every model that open_clip can build."""

    name = "open_clip"
    form = "open_clip:<model>/<pretrained tag or file>"

    def identify(self, rest: str, home: Path) -> EncoderIdentity:
        return identify_open_clip(rest)

    def load(self, rest: str, options: LoadOptions) -> OpenClipEncoder:
        return OpenClipEncoder(
            rest,
            device=options.torch_device(),
            part=options.part,
            threads=options.threads,
            cache=options.cache,
            frames=options.frames,
        )

    def load_preparation(self, rest: str, options: LoadOptions) -> Prepare:
        """From the configuration that open_clip gives a model with these weights; the weights are not read."""
        import open_clip

        model, tag, _ = _locate_weights(rest)
        shape: Any = open_clip.create_model(model, pretrained=tag, load_weights=False)
        return build_preparation(shape.visual.preprocess_cfg)


KIND = OpenClipKind()
