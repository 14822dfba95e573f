"""`i2i models`: what is there, what it is, whether it is whole, and weights made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, quiet_option, verbose_option
from i2i.errors import ModelError, UsageError, printable

if TYPE_CHECKING:
    from i2i.models.info import ModelInfo


@click.group()
def models() -> None:
    """List, describe, verify and import models."""


@models.command("list")
@json_option
@pass_console
def list_models(console: Console) -> None:
    """List the models that come with i2i."""
    from i2i.models.info import read_info, sha256
    from i2i.models.shipped import shipped_models

    found = [(name, path, read_info(path)) for name, path in shipped_models().items()]
    if console.json:
        console.document([_entry(name, path, info, sha256(path)) for name, path, info in found])
        return
    for name, path, info in found:
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        console.result(f"{name}   {info.task}   {_ways(info)}   {size}   {info.card.description}")
    if not found:
        console.note("No models come with this installation.")


@models.command("info")
@click.argument("model")
@json_option
@pass_console
def show_info(console: Console, model: str) -> None:
    """Say what MODEL is: its task, directions, networks, data and licence."""
    from i2i.models.info import read_info, sha256
    from i2i.models.shipped import resolve

    path = resolve(model)
    info, digest = read_info(path), sha256(path)
    if console.json:
        console.document(_entry(path.stem, path, info, digest) | {"info": info.model_dump()})
        return
    for label, text in _description(path, info, digest):
        if text:
            console.result(f"{label:<12} {printable(text)}")


@models.command("verify")
@click.argument("names", metavar="MODEL...", nargs=-1, required=True)
@json_option
@pass_console
@click.pass_context
def verify_models(context: click.Context, console: Console, names: tuple[str, ...]) -> None:
    """Read every MODEL completely and check that its tensors are whole and finite. Exit code 10: one is not."""
    from i2i.models.info import sha256
    from i2i.models.shipped import resolve

    paths = {name: resolve(name) for name in names}

    from i2i.models.modelfile import check_model

    problems: dict[str, str] = {}
    for name, path in paths.items():
        try:
            check_model(path)
        except ModelError as error:
            problems[name] = error.what
    if console.json:
        console.document([{"model": name, "ok": name not in problems, "error": problems.get(name)} for name in paths])
    else:
        for name, path in paths.items():
            verdict = problems.get(name) or f"good, SHA-256 {sha256(path)}"
            console.result(printable(f"{name}: {verdict}"))
    context.exit(10 if problems else 0)


@models.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("file_b2a", required=False, metavar="[FILE_B2A]", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="OUT", type=click.Path(path_type=Path), help="OUT.safetensors.")
@click.option(
    "--direction", type=click.Choice(["a2b", "b2a"]), help="Direction of a single FILE that translates.  [default: a2b]"
)
@quiet_option
@verbose_option
@pass_console
def import_model(console: Console, file: Path, file_b2a: Path | None, output: Path, direction: Any) -> None:
    """Make a model of weights made elsewhere: .pth or .safetensors.

    Upscalers: Compact, RRDB (ESRGAN), SRResNet, MSRResNet. CycleGAN: ResNet generators; pix2pix: U-Net generators;
    with FILE_B2A, of both directions. Inpainting: DeepFillv2. Nothing in the files is run, and a process of its own
    reads what is no .safetensors.
    """
    files = _files(file, file_b2a, direction)
    _check_output(output)

    from i2i.models.foreign import import_weights

    info = import_weights(files, output, direction)
    for way, source in zip(info.directions, files, strict=True):
        settings = info.generator(way).model_dump(exclude={"init", "init_gain", "labels"})
        told = ", ".join(f"{name} {value}" for name, value in settings.items())
        console.note(printable(f"{way} from {source}: {told}"))
    console.result(printable(str(output)))


def _files(file: Path, file_b2a: Path | None, direction: Any) -> list[Path]:
    if file_b2a is not None and direction is not None:
        raise UsageError("--direction is for a single FILE.", hint="Two files are a2b and b2a, in this order.")
    files = [file] if file_b2a is None else [file, file_b2a]
    for path in files:
        if not path.is_file():
            raise UsageError("this file does not exist.", where=path)
    return files


def _check_output(output: Path) -> None:
    if output.suffix != ".safetensors":
        raise UsageError("a model file ends in .safetensors.", where=output)
    if output.exists():
        raise UsageError("the output is there already.", where=output, hint="Choose another name.")
    if not output.parent.is_dir():
        raise UsageError("the folder of the output does not exist.", where=output)


def _entry(name: str, path: Path, info: ModelInfo, digest: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "task": info.task, "scale": _scale(info), "bytes": path.stat().st_size}
    if "sample" in info.directions:
        entry |= info.sampler().model_dump(include={"noise", "size", "channels", "classes"})
    return entry | {"sha256": digest, "card": info.card.model_dump()}


def _scale(info: ModelInfo) -> int:
    """Output pixels for each input pixel across; 1 for a file of discriminators, and for what takes no pictures."""
    takes_pictures = info.directions and info.task != "generate"
    return info.generator(info.directions[0]).scale if takes_pictures else 1


def _ways(info: ModelInfo) -> str:
    """What a model can do, in a word or two."""
    match info.task:
        case "upscale":
            return f"x{_scale(info)}"
        case "inpaint":
            return "holes"
        case "generate" if info.directions:
            made = info.sampler()
            classes = f", {len(made.classes)} class{'es' if len(made.classes) != 1 else ''}" if made.classes else ""
            return f"{made.size} px{classes}"
    return " ".join(info.directions)


def _description(path: Path, info: ModelInfo, digest: str) -> list[tuple[str, str]]:
    lines = [
        ("file", f"{path}  ({path.stat().st_size / 1e6:.1f} MB)"),
        ("what", info.card.description),
        ("task", f"{info.task}  ({info.method or 'method unknown'})"),
        ("directions", " ".join(info.directions)),
    ]
    for name, network in info.networks.items():
        settings = {"kind": network.kind} | network.model_dump(exclude={"init", "init_gain", "classes"})
        lines.append((name, ", ".join(f"{key} {value}" for key, value in settings.items())))
    if "sample" in info.directions:
        lines.append(("classes", ", ".join(info.sampler().classes) or "it knows none"))
    if training := info.training:
        scaled = f", {training.transform} to {training.load} px" if training.load else ""
        lines.append(("trained at", f"{training.size} px{scaled}"))
    card = info.card
    lines += [("made from", info.ancestor or ""), ("data", card.data), ("licence", card.licence)]
    lines += [("command", card.command), *((name, f"{value:g}") for name, value in card.metrics.items())]
    return [*lines, ("written by", f"i2i {info.version}" if info.version else ""), ("SHA-256", digest)]
