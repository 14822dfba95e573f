from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from i2i.cli.fetch import TransferProgress, fetch
from i2i.data import fetch as joining
from i2i.data import recipes
from i2i.errors import UsageError

HEAVY = {"torch", "numpy", "cv2", "PIL", "rich", "albumentations", "pydantic"}
RECIPE = """
description = "fish"
method = "cyclegan"
page = "https://pond.invalid/"
pictures = "1 + 1 for training"
licence = "CC0"
checked = "never"
layout = ["trainA", "trainB"]
"""


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a server on this machine has of the set `pond`; `lake` has no open download."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    path = tmp_path / "site/pond.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("pond/trainA/1.jpg", "pond/trainB/1.jpg"):
            packed.writestr(name, name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(path.parent)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    (tmp_path / "recipes").mkdir()
    address = f'address = "http://127.0.0.1:{server.server_port}/pond.zip"\n'
    known = f'bytes = {path.stat().st_size}\nsha256 = "{sha256(path.read_bytes()).hexdigest()}"\n'
    (tmp_path / "recipes/pond.toml").write_text(RECIPE + address + known)
    (tmp_path / "recipes/lake.toml").write_text(RECIPE)
    monkeypatch.setattr(recipes, "recipes_folder", lambda: tmp_path / "recipes")
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(fetch, arguments)


def test_a_set_lies_in_a_folder_of_its_name(archive: Path):
    result = call("pond")
    assert result.exit_code == 0
    assert result.stdout == "pond   1 + 1 for training\nNext: i2i train cyclegan pond -o runs/pond\n"
    told, then = result.stderr.splitlines()
    assert told.startswith("pond from http://127.0.0.1:")
    assert told.endswith("/pond.zip. Licence: CC0. See https://pond.invalid/")
    assert then == "pond: checking and unpacking."
    assert sorted(path.name for path in Path("pond").glob("*/*")) == ["1.jpg", "1.jpg"]


def test_the_folder_can_be_another_one_and_its_name_is_quoted(archive: Path):
    result = call("pond", "-o", "my pictures/fish", "-q")
    assert result.stdout.splitlines()[1] == "Next: i2i train cyclegan 'my pictures/fish' -o runs/pond"
    assert result.stderr == ""
    assert Path("my pictures/fish/trainA/1.jpg").is_file()


def test_the_usual_direction_of_pairs_is_in_the_next_line(archive: Path, tmp_path: Path):
    recipe = tmp_path / "recipes/pond.toml"
    recipe.write_text(recipe.read_text().replace('"cyclegan"', '"pix2pix"\ndirection = "b2a"'))
    assert call("pond").stdout.splitlines()[1] == "Next: i2i train pix2pix pond --direction b2a -o runs/pond"
    assert json.loads(call("--list", "--json").stdout)[1]["direction"] == "b2a"


def test_a_set_that_is_there_is_said_to_be(archive: Path):
    first, second = call("pond"), call("pond")
    assert second.exit_code == 0
    assert (second.stdout, second.stderr) == (first.stdout, "It is there already.\n")


def test_json_is_one_document(archive: Path):
    document = {"folder": "pond", "there_already": False, "name": "pond", "files": 2, "bytes": archive.stat().st_size}
    document["sha256"] = sha256(archive.read_bytes()).hexdigest()
    first = json.loads(call("pond", "--json").stdout)
    assert first.pop("address").endswith("/pond.zip")
    assert first == document
    assert json.loads(call("pond", "--json").stdout)["there_already"] is True


def test_a_set_without_a_published_checksum_says_what_came(archive: Path, tmp_path: Path):
    recipe = tmp_path / "recipes/pond.toml"
    recipe.write_text(recipe.read_text().partition("sha256")[0])
    digest = sha256(archive.read_bytes()).hexdigest()
    assert call("pond").stderr.endswith(f"Nobody publishes a SHA-256 of this archive. What came has {digest}\n")


def test_the_list_names_sizes_pictures_and_licences(archive: Path):
    assert call("--list").stdout.splitlines() == [
        "lake   cyclegan   no open download   fish: 1 + 1 for training   CC0",
        "pond   cyclegan   0 MB   fish: 1 + 1 for training   CC0",
    ]
    lake, pond = json.loads(call("--list", "--json").stdout)
    assert (lake["name"], lake["address"], pond["bytes"]) == ("lake", None, archive.stat().st_size)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no data set is named. See: i2i data fetch --list"),
        (
            ["--list", "pond"],
            "--list shows all sets, and takes neither NAME nor -o. Leave them out, or leave out --list.",
        ),
        (
            ["--list", "-o", "x"],
            "--list shows all sets, and takes neither NAME nor -o. Leave them out, or leave out --list.",
        ),
        (["pont"], "no data set 'pont' is known. Did you mean 'pond'?"),
        (["lake"], "lake has no open download. Register at https://pond.invalid/ and load it from there."),
        (["pond", "-o", "site"], "site: is there already. Choose a new folder with -o."),
    ],
)
def test_what_cannot_be_fetched_is_one_line(archive: Path, arguments: list[str], text: str):
    error = call(*arguments).exception
    assert isinstance(error, UsageError)
    assert str(error) == text


def test_ctrl_c_says_how_to_go_on(archive: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(joining, "download", stop)
    assert "\npond: stopped. Continue: i2i" in call("pond").stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_is_a_line_now_and_then():
    clock, stream = Clock(), io.StringIO()
    shown = TransferProgress("pond", "auto", stream=stream, clock=clock)
    for clock.now, done in ((0.0, 1_000_000), (10.0, 5_000_000), (40.0, 41_000_000)):
        shown.show(done, 100_000_000)
    shown.close()
    assert stream.getvalue() == "pond 41.0/100.0 MB 41 %  1.0 MB/s  left 0:00:59\n"


def test_progress_is_live_on_a_terminal_and_leaves_it_as_it_was():
    clock, stream = Clock(), Terminal()
    shown = TransferProgress("pond", "auto", stream=stream, clock=clock)
    clock.now = 1.0
    shown.show(1_000_000, None)
    shown.close()
    assert stream.getvalue() == "\r\x1b[Kpond 1.0 MB  0.0 MB/s\r\x1b[K"


@pytest.mark.parametrize("arguments", [["--help"], ["--list"]], ids=" ".join)
def test_help_and_list_load_nothing_heavy(arguments: list[str]):
    program = (
        "import sys; from i2i.cli.fetch import fetch; fetch.main(sys.argv[1:], standalone_mode=False);"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.rpartition("MODULES")[2].split())
