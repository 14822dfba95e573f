"""Makes a finished run a model that comes with i2i: the model file with its card, and the discriminators beside it.

    python pretrained/ship.py RUN NAME --description TEXT --data TEXT --licence TEXT [--metrics FIGURES.json]

FIGURES.json is what `benchmarks/translation_distance.py --json` printed. The recipe NAME.toml and the card NAME.md for
people are written by hand.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from i2i.models.info import Card, ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.models.shipped import shipped_folder


def figures(path: Path | None) -> dict[str, float]:
    """Distances by "direction layer set", such as "a2b conv3 translated"."""
    if path is None:
        return {}
    distances = json.loads(path.read_text("utf-8"))["distances"]
    return {
        f"{direction} {layer} {name}": round(value, 4)
        for direction, rows in distances.items()
        for name, row in rows.items()
        for layer, value in row.items()
    }


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.option("--description", required=True, help="What it turns into what.")
@click.option("--data", required=True, help="What it was trained on.")
@click.option("--licence", required=True, help="Terms of the weights.")
@click.option("--metrics", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="FIGURES.json.")
def ship(run: Path, name: str, description: str, data: str, licence: str, metrics: Path | None) -> None:
    """Put the model of RUN into this folder as NAME.safetensors."""
    trained = load_model(run / "model.safetensors")
    card = Card(
        description=description,
        data=data,
        licence=licence,
        command=trained.info.card.command,
        metrics=figures(metrics),
    )
    info = ModelInfo(**trained.info.model_dump() | {"card": card.model_dump()})
    folder = shipped_folder()
    save_model(folder / f"{name}.safetensors", trained.networks, info, half=True)
    (folder / "discriminators").mkdir(exist_ok=True)
    shutil.copyfile(run / "discriminators.safetensors", folder / "discriminators" / f"{name}.safetensors")


if __name__ == "__main__":
    ship()
