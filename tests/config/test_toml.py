"""TOML files: lines, syntax errors, and writing what can be read again."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from i2i.config import toml
from i2i.config.layers import file_layer, load, resolve
from i2i.config.methods.cyclegan import CycleGANRun
from i2i.errors import ConfigError

TEXT = """\
# a comment

[train]
lr = 1e-4
  "steps" = 5
[method.generator]   # a table
blocks = 6
[log]
list = [
  1,  # with a comment

  2,
]
text = '''
[train]
lr = 3
'''
a.b = 1
inline = {x = 1, y = 2}
[empty]
"""


def test_each_key_has_the_line_where_it_begins():
    lines = toml.lines_of_keys(TEXT)
    assert lines == {
        "train": 3, "train.lr": 4, "train.steps": 5, "method.generator": 6, "method.generator.blocks": 7, "log": 8,
        "log.list": 9, "log.text": 14, "log.a.b": 18, "log.inline.x": 19, "log.inline.y": 19, "empty": 20,
    }  # fmt: skip


def test_flat_keys_nest_again():
    tables = tomllib.loads(TEXT)
    assert toml.nest(toml.flatten(tables)) == tables


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = = 2\n", 2), ("a = 1\n\n[b\n", 3), ("a = 1\na = 2\n", 2), ('a = """x\n\n', 1)]
)
def test_a_syntax_error_has_file_and_line(tmp_path: Path, text: str, line: int):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.toml:\d+: .*TOML is written: key = 1") as caught:
        toml.read(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such file\."):
        toml.read(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\."):
        toml.read(tmp_path)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_bytes("[data]\npath = 'fotos-für'\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"run\.toml: is not UTF-8 text\."):
        toml.read(file)


def test_a_file_of_windows_notepad_is_read(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_bytes(b"\xef\xbb\xbf[train]\r\nlr = 1e-3\r\n")
    assert file_layer(file) == {"train.lr": (1e-3, f"{file}:2")}


def test_what_is_written_is_toml_with_a_header_and_without_none():
    text = toml.dump(CycleGANRun(), "i2i 0.1.0\ni2i train cyclegan 'a\x1bb'")
    assert text.startswith("# i2i 0.1.0\n# i2i train cyclegan 'a\\x1bb'\n\n")
    assert tomllib.loads(text) == CycleGANRun().model_dump(mode="json", exclude_none=True)


def test_the_printed_configuration_says_origins_and_can_be_read_again(tmp_path: Path):
    settings = tmp_path / "my.toml"
    settings.write_text('[train]\ninit = "a # b"\nlr = 0.001\n')
    resolved = resolve("cyclegan", "paper", [file_layer(settings)])
    printed = tmp_path / "printed.toml"
    printed.write_text(toml.annotate(resolved.config, resolved.origins, "i2i"))
    assert f"# {settings}:3" in next(line for line in printed.read_text().splitlines() if line.startswith("lr "))
    assert "# preset paper" in next(line for line in printed.read_text().splitlines() if line.startswith("ema "))
    assert load(printed).config == resolved.config
    assert resolve("cyclegan", "default", [file_layer(printed)]).config == resolved.config
