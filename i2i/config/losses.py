"""Names of losses that several methods share; the formulas stand in the losses room."""

from __future__ import annotations

from typing import Literal

Adversarial = Literal["vanilla", "saturating", "lsgan", "hinge", "wgan-gp", "ragan", "ralsgan", "rahinge"]
