"""Makes a finished run a model that comes with i2i: the model file with its card, and discriminators beside it.

    python pretrained/ship.py RUN NAME --description TEXT --data TEXT --licence TEXT [--metrics FIGURES.json ...]

A texture model may be moved back towards its fidelity model (--from, --share): network interpolation of Wang et al.
2018 (ESRGAN), which takes off artefacts and keeps textures.

FIGURES.json is what `benchmarks/translation_distance.py --json` or `i2i evaluate NAME DATA --json` printed; of the
latter the name of the file is the name of the set. The recipe NAME.toml and the card NAME.md for people are written by
hand.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from i2i.inference.upscaler import interpolated
from i2i.models.info import Card, ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.models.shipped import resolve, shipped_folder


def figures(path: Path) -> dict[str, float]:
    """Distances by "direction layer set", such as "a2b conv3 translated"; fidelity by "set figure", "Set5 psnr_y"."""
    content = json.loads(path.read_text("utf-8"))
    if "distances" not in content:
        mean = content["rows"][-1]["mean"]
        return {f"{path.stem} {name}": round(value, 4) for name, value in mean.items() if value is not None}
    distances = content["distances"]
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
@click.option("--command", help="The training's command as anybody would type it.  [default: as it was typed]")
@click.option("--from", "fidelity", metavar="MODEL", help="Interpolate from this fidelity model towards RUN's.")
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of RUN's model in it.")
@click.option(
    "--metrics",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="FIGURES.json. Repeatable.",
)
def ship(
    run: Path,
    name: str,
    description: str,
    data: str,
    licence: str,
    command: str | None,
    fidelity: str | None,
    share: float,
    metrics: tuple[Path, ...],
) -> None:
    """Put the model of RUN into this folder as NAME.safetensors."""
    trained = load_model(run / "model.safetensors")
    if fidelity:
        file = resolve(fidelity)
        trained.networks["up"] = interpolated(load_model(file).networks["up"], trained.networks["up"], share, file)
    card = Card(
        description=description,
        data=data,
        licence=licence,
        command=command or trained.info.card.command,
        metrics={key: value for path in metrics for key, value in figures(path).items()},
    )
    info = ModelInfo(**trained.info.model_dump() | {"card": card.model_dump()})
    folder = shipped_folder()
    save_model(folder / f"{name}.safetensors", trained.networks, info, half=True)
    discriminators = run / "discriminators.safetensors"
    if discriminators.is_file():
        (folder / "discriminators").mkdir(exist_ok=True)
        shutil.copyfile(discriminators, folder / "discriminators" / f"{name}.safetensors")


if __name__ == "__main__":
    ship()
