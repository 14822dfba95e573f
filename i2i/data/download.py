"""One file from an address to the disk. A transfer that stops goes on where it stopped, today or in a week."""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from shutil import disk_usage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from i2i.errors import FREE_SPACE, DownloadError, NoRoomError, UsageError, is_full
from i2i.images.atomic import replace_file
from i2i.version import __version__

Say = Callable[[str], None]  # a line for the person who waits
Progress = Callable[[int, int | None], None]  # (bytes on the disk, bytes in all where the server tells)
TIMEOUT = 30.0  # seconds without a byte
WAITS = (1.0, 2.0, 4.0)  # seconds before each further try
CHUNK = 1 << 18
NUMBER = re.compile("[0-9]{1,18}")  # of bytes; what is longer is no number that means anything
SPAN = re.compile(f"bytes ({NUMBER.pattern})-{NUMBER.pattern}/({NUMBER.pattern})")
LOOK = "Look at the page of the set: i2i data fetch --list --json"
PASSING = (408, 425, 429)  # and 500 and above: HTTP answers that may be others in a second


class _LostError(Exception):
    """The transfer ended before its end, and another try may do better."""


@dataclass(frozen=True)
class Source:
    """What is being loaded, noted beside the part: `validator` is the server's mark for exactly these bytes."""

    address: str
    bytes: int | None
    validator: str | None


def download(
    address: str,
    part: Path,
    *,
    expected_bytes: int | None = None,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
    timeout: float = TIMEOUT,
    waits: Sequence[float] = WAITS,
) -> None:
    """Load `address` into the file `part`, from where an earlier call has stopped if the server still has the same.

    A lost connection is tried again after each of `waits` in seconds; a try that brought bytes does not count. Fewer
    than `expected_bytes`, where they are known, are a lost connection too.
    Raises DownloadError, NoRoomError, UsageError where `part` cannot be written; the part is kept in every case.
    """
    failures, furthest = 0, _size(part)
    while not _is_whole(part, address, expected_bytes):
        try:
            _transfer(address, part, expected_bytes, say, progress, timeout)
        except _LostError as lost:
            brought = _size(part) > furthest
            failures, furthest = 0 if brought else failures, max(furthest, _size(part))
            if failures == len(waits):
                times = f", {failures + 1} times" if failures else ""
                raise DownloadError(f"{lost}{times}.", where=address, hint=_how_to_go_on(part)) from lost
            say(f"{lost}; trying again in {waits[failures]:g} s.")
            time.sleep(waits[failures])
            failures += not brought


def noted_beside(part: Path) -> Path:
    """The file that says what the part is a part of."""
    return part.with_name(f"{part.name}.json")


def _transfer(
    address: str, part: Path, expected_bytes: int | None, say: Say, progress: Progress, timeout: float
) -> None:
    """One try. Raises _LostError where another may help."""
    begun = _begun(part, address)
    offset = _size(part) if begun else 0
    with _opened(address, begun, offset, timeout) as response:
        source = _source(address, response)
        if begun and not (response.status == 206 and _continues(response, offset, begun)):
            say("the server does not continue this file, or has another one by now: it is loaded from the beginning.")
            if response.status != 200:
                _forget(part)
                return  # the next try asks for all of it
            offset = 0
        if source.bytes is None:
            source = replace(source, bytes=expected_bytes)
        if expected_bytes not in (None, source.bytes):
            what = f"the server has {source.bytes} bytes, and the recipe {expected_bytes}: it is another file."
            raise DownloadError(what, where=address, hint=LOOK)
        _refuse_without_room(part, source.bytes, offset)
        _receive(response, part, source, offset, progress)


def _receive(response: HTTPResponse, part: Path, source: Source, offset: int, progress: Progress) -> None:
    done = offset
    with _writing(part), open(part, "ab" if offset else "wb") as file:
        _note(part, source)  # after the part was emptied: a note never stands beside bytes of another file
        while chunk := _chunk(response):
            file.write(chunk)
            done += len(chunk)
            if source.bytes is not None and done > source.bytes:
                what = f"the server sends more than the {source.bytes} bytes of this file: it is another one."
                raise DownloadError(what, where=source.address, hint=LOOK)
            progress(done, source.bytes)
        file.flush()
        os.fsync(file.fileno())  # before it is noted as whole
    if done < (source.bytes or 1):
        raise _LostError("the connection was closed too early")
    with _writing(part):
        _note(part, Source(source.address, done, source.validator))


def _chunk(response: HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)  # what is there, so that nothing is lost when the rest does not come
    except (HTTPException, OSError) as error:
        raise _LostError(_why_lost(error)) from error


@contextmanager
def _opened(address: str, begun: Source | None, offset: int, timeout: float) -> Iterator[HTTPResponse]:
    headers = {"User-Agent": f"i2i/{__version__}"}
    if begun and offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": begun.validator or ""}
    _refuse_scheme(address, address)
    try:
        response = _opener().open(Request(address, headers=headers), timeout=timeout)
    except HTTPError as error:
        if error.code != 416 or not offset:
            error.close()
            raise _refused(address, error) from error
        response = error  # it is an answer too: the file is shorter by now
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(address, error) from error
    except (URLError, HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise _untrusted(address, reason) from error
        raise _LostError(_why_lost(reason)) from error
    except ValueError as error:
        raise DownloadError(f"the server leads to what is no address: {_first_line(error)}.", where=address) from error
    with response:
        yield response


def _opener() -> OpenerDirector:
    """HTTP and HTTPS, through the proxies of the environment, and nothing else: no file:, no ftp:, no data:."""
    opener = OpenerDirector()
    handlers = (ProxyHandler, HTTPHandler, HTTPSHandler, _Redirects, HTTPErrorProcessor, HTTPDefaultErrorHandler)
    for handler in handlers:
        opener.add_handler(handler())
    return opener


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _refuse_scheme(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        with fp:  # which stays open where the next address is refused
            return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _refuse_scheme(address: str, before: str) -> None:
    scheme = urlsplit(address).scheme.lower()
    if scheme not in ("http", "https") or (scheme == "http" and urlsplit(before).scheme.lower() == "https"):
        raise DownloadError(f"the server leads to {address}, which is refused.", where=before)


def _refused(address: str, error: HTTPError) -> Exception:
    if error.code >= 500 or error.code in PASSING:
        return _LostError(f"the server answers {error.code} {_first_line(error.reason)}")
    if error.code in (404, 410):
        return DownloadError(f"there is no such file any more (HTTP {error.code}).", where=address, hint=LOOK)
    return DownloadError(f"the server answers {error.code} {_first_line(error.reason)}.", where=address)


def _untrusted(address: str, error: ssl.SSLCertVerificationError) -> DownloadError:
    what = f"the server cannot prove who it is: {error.verify_message}."
    return DownloadError(what, where=address, hint="Is the clock of this machine right?")


def _why_lost(error: Any) -> str:
    if isinstance(error, TimeoutError) or str(error) == "timed out":
        return "the server has fallen silent"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"the connection was lost: {_first_line(reason)}"


def _first_line(reason: object) -> str:
    return (str(reason).splitlines() or [""])[0].rstrip(".")


def _source(address: str, response: HTTPResponse) -> Source:
    etag = response.headers.get("ETag") or ""
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")  # a weak one is no promise
    span = _span(response)
    length = response.headers.get("Content-Length") or ""
    total = span[1] if span else int(length) if response.status == 200 and NUMBER.fullmatch(length) else None
    return Source(address, total, validator)


def _span(response: HTTPResponse) -> tuple[int, int] | None:
    """Where the bytes of a partial answer begin, and how many the whole file has."""
    found = SPAN.fullmatch(response.headers.get("Content-Range") or "")
    return (int(found[1]), int(found[2])) if found else None


def _continues(response: HTTPResponse, offset: int, begun: Source) -> bool:
    return _span(response) == (offset, begun.bytes) and _source("", response).validator == begun.validator


def _begun(part: Path, address: str) -> Source | None:
    """What the part is a part of, where the server has said enough to go on with it."""
    noted = _noted(part)
    return noted if noted and noted.address == address and noted.validator and _size(part) else None


def _is_whole(part: Path, address: str, expected_bytes: int | None) -> bool:
    noted = _noted(part)
    if noted is None or noted.address != address:
        return False
    return noted.bytes == _size(part) > 0 and expected_bytes in (None, noted.bytes)


def _noted(part: Path) -> Source | None:
    try:
        return Source(**json.loads(noted_beside(part).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _note(part: Path, source: Source) -> None:
    replace_file(noted_beside(part), json.dumps(asdict(source)).encode())


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    noted_beside(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _refuse_without_room(part: Path, total: int | None, offset: int) -> None:
    free = disk_usage(part.parent).free
    if total is not None and total - offset > free:
        what = f"disk full: {(total - offset) / 1e6:.1f} MB more are needed, {free / 1e6:.1f} MB are free."
        raise NoRoomError(what, where=part, hint=FREE_SPACE)


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full. What was loaded is kept.", where=part, hint=FREE_SPACE) from error
        raise UsageError(f"cannot be written: {error.strerror or error}.", where=part) from error


def _how_to_go_on(part: Path) -> str:
    if _size(part):
        return f"{_size(part) / 1e6:.1f} MB are kept: the same command goes on from there."
    return "Look at your network, then run the same command again."
