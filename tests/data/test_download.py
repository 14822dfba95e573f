"""Downloads against a server on this machine that cuts, stalls, changes its mind and lies."""

from __future__ import annotations

import errno
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from i2i.data import download as module
from i2i.data.download import download, noted_beside
from i2i.errors import DownloadError, NoRoomError, UsageError

DATA = bytes(range(256)) * 400  # 102 400 bytes


class Answer(NamedTuple):
    """What the server does with one request: `only` so many bytes, then it hangs up or is `silent`."""

    status: int = 200
    only: int | None = None
    silent: bool = False
    location: str = ""


class Site:
    """What the server has, how it answers the next requests, and what it was asked."""

    def __init__(self) -> None:
        self.data, self.etag, self.ranges, self.length = DATA, '"one"', True, True
        self.lengths = ""  # sent as Content-Length in place of the right one
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str | None]] = []  # path and Range
        self.over = threading.Event()
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, answer = self.site, Answer()
        site.asked.append((self.path, self.headers["Range"]))
        if site.answers:
            answer = site.answers.pop(0)
        if answer.status != 200:
            self.send_response(answer.status)
            self.send_header("Location", answer.location)
            self.end_headers()
            return
        body = self._begin()
        self.wfile.write(body[: answer.only])
        if answer.silent:
            site.over.wait(5)

    def _begin(self) -> bytes:
        site, begin = self.site, 0
        asked = self.headers["Range"]
        if asked and site.ranges and self.headers["If-Range"] == site.etag:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(site.data) - 1}/{len(site.data)}")
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.length:
            self.send_header("Content-Length", site.lengths or str(len(site.data) - begin))
        self.end_headers()
        return site.data[begin:]

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.address = f"http://127.0.0.1:{server.server_port}/set.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "set.zip.part"


def get(site: Site, part: Path, *, tries: int = 4, **settings: object) -> list[str]:
    """Downloads without waiting between tries; gives what was said."""
    said: list[str] = []
    download(site.address, part, say=said.append, timeout=0.3, waits=(0.0,) * (tries - 1), **settings)  # type: ignore[arg-type]
    return said


def test_a_file_arrives_whole_and_is_counted(site: Site, part: Path):
    seen: list[tuple[int, int | None]] = []
    get(site, part, progress=lambda done, total: seen.append((done, total)))
    assert part.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))


def test_what_is_whole_is_not_asked_for_again(site: Site, part: Path):
    get(site, part)
    get(site, part)
    assert len(site.asked) == 1


def test_a_cut_transfer_goes_on_where_it_was_cut(site: Site, part: Path):
    site.answers = [Answer(only=1000), Answer(only=50_000)]
    said = get(site, part)
    assert part.read_bytes() == DATA
    assert [span for _, span in site.asked] == [None, "bytes=1000-", "bytes=51000-"]
    assert said == ["the connection was closed too early; trying again in 0 s."] * 2


def test_a_transfer_that_fell_silent_goes_on(site: Site, part: Path):
    site.answers = [Answer(only=1000, silent=True)]
    assert get(site, part) == ["the server has fallen silent; trying again in 0 s."]
    assert part.read_bytes() == DATA


def test_a_later_call_goes_on_with_the_part(site: Site, part: Path):
    site.answers = [Answer(only=1000)]
    with pytest.raises(DownloadError) as caught:
        get(site, part, tries=1)
    assert str(caught.value) == (
        f"{site.address}: the connection was closed too early. 0.0 MB are kept: the same command goes on from there."
    )
    assert caught.value.exit_code == 7
    assert part.read_bytes() == DATA[:1000]
    assert get(site, part) == []
    assert (part.read_bytes(), site.asked[1][1]) == (DATA, "bytes=1000-")


def test_tries_that_bring_nothing_end_and_those_that_bring_bytes_do_not_count(site: Site, part: Path):
    site.answers = [Answer(only=10)] * 9 + [Answer(status=503)] * 4
    with pytest.raises(DownloadError, match=r"the server answers 503 Service Unavailable, 4 times\."):
        get(site, part)
    assert part.read_bytes() == DATA[:90]
    assert len(site.asked) == 13


ANEW = "the server does not continue this file, or has another one by now: it is loaded from the beginning."


def test_another_file_by_now_is_loaded_from_the_beginning(site: Site, part: Path):
    site.answers = [Answer(only=60_000)]
    with pytest.raises(DownloadError):
        get(site, part, tries=1)
    site.data, site.etag = DATA[::-1], '"two"'
    assert get(site, part) == [ANEW]
    assert part.read_bytes() == DATA[::-1]


def test_a_shorter_file_of_the_same_mark_is_loaded_from_the_beginning(site: Site, part: Path):
    site.answers = [Answer(only=60_000)]
    with pytest.raises(DownloadError):
        get(site, part, tries=1)
    site.data = DATA[:70_000]
    assert get(site, part) == [ANEW]
    assert part.read_bytes() == DATA[:70_000]


def test_a_part_beyond_the_end_is_loaded_from_the_beginning(site: Site, part: Path):
    site.answers = [Answer(only=60_000)]
    with pytest.raises(DownloadError):
        get(site, part, tries=1)
    site.answers = [Answer(status=416)]
    assert get(site, part) == [ANEW]
    assert part.read_bytes() == DATA


def test_a_server_without_ranges_begins_anew_and_says_so(site: Site, part: Path):
    site.ranges = False
    site.answers = [Answer(only=1000)]
    assert get(site, part)[1:] == [ANEW]
    assert part.read_bytes() == DATA


def test_without_a_mark_nothing_is_continued(site: Site, part: Path):
    site.etag = ""
    site.answers = [Answer(only=1000)]
    get(site, part)
    assert (part.read_bytes(), site.asked[1][1]) == (DATA, None)


def test_a_weak_mark_is_no_promise(site: Site, part: Path):
    site.etag = 'W/"one"'
    site.answers = [Answer(only=1000)]
    get(site, part)
    assert site.asked[1][1] is None


def test_a_part_of_another_address_is_not_continued(site: Site, part: Path):
    part.write_bytes(b"other")
    noted_beside(part).write_text(json.dumps({"address": "http://other/", "bytes": 9, "validator": '"one"'}))
    get(site, part)
    assert (part.read_bytes(), site.asked[0][1]) == (DATA, None)


def test_a_file_of_unknown_length_is_taken_as_it_comes(site: Site, part: Path):
    site.length = False
    get(site, part)
    assert part.read_bytes() == DATA


def test_fewer_bytes_than_the_recipes_are_a_lost_connection_and_continued(site: Site, part: Path):
    site.length = False
    site.answers = [Answer(only=1000)]
    said = get(site, part, expected_bytes=len(DATA))
    assert said == ["the connection was closed too early; trying again in 0 s."]
    assert (part.read_bytes(), site.asked[1][1]) == (DATA, "bytes=1000-")


def test_a_shorter_file_than_the_recipes_is_never_whole(site: Site, part: Path):
    site.length, site.etag = False, ""
    for _ in range(2):
        with pytest.raises(DownloadError, match=r"the connection was closed too early, 2 times\."):
            get(site, part, tries=2, expected_bytes=len(DATA) + 1)


def test_a_longer_file_than_the_recipes_is_another_one(site: Site, part: Path):
    site.length = False
    with pytest.raises(DownloadError) as caught:
        get(site, part, expected_bytes=1000)
    assert str(caught.value) == (
        f"{site.address}: the server sends more than the 1000 bytes of this file: it is another one. "
        "Look at the page of the set: i2i data fetch --list --json"
    )


def test_a_part_that_was_whole_is_not_when_the_recipe_has_another_size(site: Site, part: Path):
    site.data = DATA[:1000]
    get(site, part)
    site.data, site.etag = DATA, '"two"'
    assert get(site, part, expected_bytes=len(DATA)) == [ANEW]
    assert part.read_bytes() == DATA


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "many"])
def test_a_length_that_is_none_is_no_length(site: Site, part: Path, length: str):
    site.lengths = length
    get(site, part)
    assert part.read_bytes() == DATA


def test_an_empty_answer_is_none(site: Site, part: Path):
    site.data = b""
    with pytest.raises(DownloadError, match=r"closed too early, 2 times\. Look at your network"):
        get(site, part, tries=2)


def test_another_size_than_the_recipes_is_refused_before_it_is_loaded(site: Site, part: Path):
    with pytest.raises(DownloadError) as caught:
        get(site, part, expected_bytes=7)
    assert str(caught.value) == (
        f"{site.address}: the server has 102400 bytes, and the recipe 7: it is another file. "
        "Look at the page of the set: i2i data fetch --list --json"
    )
    assert not part.exists()


def test_what_is_gone_is_not_tried_again(site: Site, part: Path):
    site.answers = [Answer(status=404)]
    with pytest.raises(DownloadError, match=r"there is no such file any more \(HTTP 404\)\. Look at the page"):
        get(site, part)
    assert len(site.asked) == 1


def test_what_is_forbidden_is_one_line(site: Site, part: Path):
    site.answers = [Answer(status=403)]
    with pytest.raises(DownloadError, match=r"set\.zip: the server answers 403 Forbidden\.$"):
        get(site, part)


def test_a_redirect_is_followed_with_its_range(site: Site, part: Path):
    site.answers = [Answer(only=1000), Answer(status=302, location="/moved.zip")]
    get(site, part)
    assert part.read_bytes() == DATA
    assert site.asked[2] == ("/moved.zip", "bytes=1000-")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/set.zip", "data:,x"])
def test_a_redirect_out_of_the_web_is_refused(site: Site, part: Path, location: str):
    site.answers = [Answer(status=302, location=location)]
    with pytest.raises(DownloadError, match=r"which is refused\.|is not allowed"):
        get(site, part)
    assert not part.exists()


def test_a_redirect_to_no_address_is_one_line(site: Site, part: Path):
    site.answers = [Answer(status=302, location="http://[bad")]
    with pytest.raises(DownloadError) as caught:
        get(site, part)
    assert str(caught.value) == f"{site.address}: the server leads to what is no address: Invalid IPv6 URL."


def test_a_circle_of_redirects_is_one_line(site: Site, part: Path):
    site.answers = [Answer(status=302, location="/set.zip")] * 12
    with pytest.raises(DownloadError) as caught:
        get(site, part)
    assert re.fullmatch(rf"{site.address}: the server answers 302 .* infinite loop\.", str(caught.value))


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(DownloadError, match=r"^https://a/: the server leads to http://b/, which is refused\.$"):
        module._refuse_scheme("http://b/", "https://a/")


def test_a_closed_port_is_told_with_its_reason(part: Path, site: Site):
    with pytest.raises(DownloadError, match=r"lost: Connection refused, 3 times\. Look at your network, then run"):
        download("http://127.0.0.1:9/set.zip", part, waits=(0.0, 0.0))


def test_a_proxy_of_the_environment_is_used(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", site.address.removesuffix("/set.zip"))
    monkeypatch.setenv("no_proxy", "")
    download("http://pictures.invalid/set.zip", part)
    assert site.asked == [("http://pictures.invalid/set.zip", None)]
    assert part.read_bytes() == DATA


def test_too_little_room_is_told_before_the_first_byte(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "disk_usage", lambda folder: type("Usage", (), {"free": 2400}))
    with pytest.raises(NoRoomError, match=r"disk full: 0\.1 MB more are needed, 0\.0 MB are free\. Free space and"):
        get(site, part)
    assert not part.exists()


def test_a_full_disk_keeps_the_part(site: Site, part: Path, monkeypatch: pytest.MonkeyPatch):
    site.answers = [Answer(only=1000)]
    with pytest.raises(DownloadError):
        get(site, part, tries=1)

    def full(done: int, total: int | None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoRoomError, match=r"set\.zip\.part: disk full\. What was loaded is kept\. Free space"):
        get(site, part, progress=full)
    assert part.read_bytes()[:1000] == DATA[:1000]
    get(site, part)
    assert part.read_bytes() == DATA


def test_ctrl_c_keeps_the_part(site: Site, part: Path):
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    site.answers = [Answer(only=1000, silent=True)]
    with pytest.raises(KeyboardInterrupt):
        get(site, part, progress=stop)
    assert part.read_bytes() == DATA[:1000]
    get(site, part)
    assert (part.read_bytes(), site.asked[1][1]) == (DATA, "bytes=1000-")


def test_a_folder_that_cannot_be_written_is_named(site: Site, part: Path):
    part.mkdir()
    with pytest.raises(UsageError, match=r"set\.zip\.part: cannot be written: Is a directory\."):
        get(site, part)
