"""From a training to files that others take: the model file, and the discriminators for a training that goes on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from i2i.config.data import ScaledConfig
from i2i.config.run import RunConfig
from i2i.engine.runfolder import RunFolder
from i2i.methods.base import Method
from i2i.models.info import Card, ModelInfo, TrainingScale
from i2i.models.modelfile import save_model
from i2i.networks.base import Network
from i2i.version import __version__


class Publisher:
    """Writes RUN/model.safetensors and RUN/discriminators.safetensors, each whole or not at all.

    `ancestor` names what the training started from. Raises NoRoomError when the disk is full.
    """

    def __init__(
        self, config: RunConfig, method: Method, run: RunFolder, *, command: str, ancestor: str | None
    ) -> None:
        self.config, self.method, self.run = config, method, run
        self.command, self.ancestor = command, ancestor

    def __call__(self, averaged: Mapping[str, nn.Module]) -> None:
        """`averaged` are the method's deployed networks after averaging, by name."""
        save_model(self.run.model, dict(averaged), self._describe(self.method.deployed(), deployed=True), half=True)
        others = self.method.judges()
        if others:
            save_model(self.run.discriminators, dict(others), self._describe(others, deployed=False), half=True)

    def _describe(self, networks: Mapping[str, Network], *, deployed: bool) -> ModelInfo:
        return ModelInfo.model_validate(
            {
                "version": __version__,
                "task": self.method.task,
                "method": self.config.method.kind,
                "directions": tuple(networks) if deployed else (),
                "networks": {name: network.config.model_dump() for name, network in networks.items()},
                "value_range": self.method.value_range,
                "keeps_gray": self.method.keeps_gray,
                "multiple": max(network.multiple for network in networks.values()),
                "minimum": max(network.minimum for network in networks.values()),
                "training": self._training_scale(),
                "ancestor": self.ancestor,
                "card": Card(data=self.config.data.path or "", command=self.command),
            }
        )

    def _training_scale(self) -> TrainingScale:
        data = self.config.data
        if isinstance(data, ScaledConfig):
            return TrainingScale(size=data.size, load=data.load_size, transform=data.transform)
        return TrainingScale(size=data.size)
