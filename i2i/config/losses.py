"""Names of losses that several methods share; the formulas stand in the losses room."""

from __future__ import annotations

from typing import Literal

Adversarial = Literal["vanilla", "saturating", "lsgan", "hinge", "wgan-gp", "ragan", "ralsgan", "rahinge"]
LABELLED: tuple[Adversarial, ...] = ("vanilla", "saturating", "lsgan")  # real pictures have a label of 1 in them
