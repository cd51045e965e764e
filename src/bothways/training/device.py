"""Where a training computes, and in which precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bothways.errors import SettingsError

if TYPE_CHECKING:
    from bothways.settings import TrainingSettings


def check_device(settings: TrainingSettings) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        SettingsError: `cuda` is asked for, and there is none.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device is 'cuda', but torch finds no CUDA device here. Use 'auto' or 'cpu'.")


def make_fabric(settings: TrainingSettings) -> Any:
    """Start Fabric on the device and in the precision that the settings ask for."""
    from lightning_fabric import Fabric

    check_device(settings)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16(device) else "float32"
    return Fabric(accelerator=device, devices=1, precision="bf16-mixed" if precision == "bfloat16" else "32-true")


def computes_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware; without it bfloat16 is far slower than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    names = ("avx512_bf16", "amx_bf16")
    if hasattr(torch.cpu, "get_capabilities"):
        abilities = torch.cpu.get_capabilities()
        return any(abilities.get(name) for name in names)
    # Older versions of torch do not say; Linux does.
    told = Path("/proc/cpuinfo")
    flags = told.read_text(encoding="utf-8").split() if told.exists() else []
    return any(name in flags for name in names)
