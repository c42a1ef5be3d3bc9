"""The temporal head as a torch module, for fitting; ``ops.embeddings.pooling`` computes the same in numpy.

Legend: B shots, T frames, D dimensions, W width, S position slots.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import gelu, normalize, scaled_dot_product_attention

from ops.embeddings.pooling import POSITION_SLOTS, TemporalHead, interpolate_positions


class TemporalModule(nn.Module):
    """``frames_BTD`` and ``mask_BT`` (true for a frame) -> unit vectors (B, D).

    ``widen`` begins with zeros, so a new head equals mean pooling to the last digit and gets the first gradients.
    """

    def __init__(self, dim: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.narrow = nn.Linear(dim, width, bias=False)
        self.position = nn.Parameter(0.02 * torch.randn(POSITION_SLOTS, width))
        self.layers = nn.ModuleList(_TransformerLayer(width, heads) for _ in range(layers))
        self.widen = nn.Linear(width, dim, bias=False)
        nn.init.zeros_(self.widen.weight)

    def forward(self, frames_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        hidden_BTW = self.narrow(frames_BTD) + _interpolate_positions(mask_BT, self.position)
        for layer in self.layers:
            hidden_BTW = layer(hidden_BTW, mask_BT)
        return pool_mean(frames_BTD + self.widen(hidden_BTW), mask_BT)

    def build_head(self) -> TemporalHead:
        """Return the head as it is saved and used."""
        arrays = {name: value.detach().float().cpu().numpy().copy() for name, value in self.state_dict().items()}
        return TemporalHead(weights=arrays, heads=self.heads)

    def take(self, head: TemporalHead) -> None:
        """Load a fitted head of the same shape. Raises ``RuntimeError`` for another shape."""
        self.load_state_dict({name: torch.from_numpy(value) for name, value in head.weights.items()})


class _TransformerLayer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden_BTW: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        shots, frames, width = hidden_BTW.shape
        qkv = self.qkv(self.norm1(hidden_BTW)).view(shots, frames, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed_BHTD = scaled_dot_product_attention(query, key, value, attn_mask=mask_BT[:, None, None, :])
        hidden_BTW = hidden_BTW + self.out(mixed_BHTD.transpose(1, 2).reshape(shots, frames, width))
        inner: torch.Tensor = self.down(gelu(self.up(self.norm2(hidden_BTW)), approximate="tanh"))
        return hidden_BTW + inner


def pool_mean(frames_BTD: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Return unit vectors (B, D): the mean of each shot's own frames."""
    kept_BTD = frames_BTD * mask_BT[:, :, None]
    return normalize(kept_BTD.sum(dim=1) / mask_BT.sum(dim=1, keepdim=True), dim=1)


def _interpolate_positions(mask_BT: torch.Tensor, position_SW: torch.Tensor) -> torch.Tensor:
    """Return position vectors (B, T, W), stretched over each shot's own frames, which come first in a row."""
    frames = mask_BT.shape[1]
    slots_BTS = torch.zeros(*mask_BT.shape, POSITION_SLOTS, device=mask_BT.device)
    counts_B = mask_BT.sum(dim=1)
    for count in set(counts_B.tolist()):
        weights_TS = torch.zeros(frames, POSITION_SLOTS, device=mask_BT.device)
        weights_TS[:count] = torch.from_numpy(interpolate_positions(count)).to(mask_BT.device)
        slots_BTS[counts_B == count] = weights_TS
    return slots_BTS @ position_SW
