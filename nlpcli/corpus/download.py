"""One file over HTTP(S): resumed after a break, bounded in size. The only module of nlpcli that opens the network.

What has come lies in `NAME.part`; `NAME.json` beside it says from where, with the validator (ETag or date) by which the
server can tell whether it still has the same file (RFC 9110, sections 13.1.5 and 14). Only then are the bytes gone on
with; otherwise the download starts anew.
"""

from __future__ import annotations

import errno
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from nlpcli import __version__, console
from nlpcli.errors import BadInput, Interrupted, NlpcliError, RunFailed, UsageError
from nlpcli.files import write_bytes

TIMEOUT = 30.0  # seconds without a byte
TRIES = 5  # in a row, each with less than GAIN to show
GAIN = 1 << 20  # bytes after which the count of tries begins again
FIRST_WAIT = 1.0  # seconds, doubled after each try in vain
LONGEST_WAIT = 60.0
REDIRECTS = 5
PIECE = 1 << 16
TRY_LATER = (408, 425, 429, 500, 502, 503, 504)


class Saved(msgspec.Struct, frozen=True):
    """What `NAME.json` says of the bytes in `NAME.part`."""

    url: str
    validator: str = ""


class Broken(Exception):
    """The connection failed in a way that another try may mend."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass
class Transfer:
    """A download on its way: where from, where to, and how many bytes at most."""

    url: str
    out: Path
    limit: int

    @property
    def part(self) -> Path:
        return self.out.with_name(self.out.name + ".part")

    @property
    def note(self) -> Path:
        return self.out.with_name(self.out.name + ".json")

    @property
    def have(self) -> int:
        """Bytes that are there already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def validator(self) -> str | None:
        """Return by what the server can tell the bytes that are there; None if they are not of this URL."""
        try:
            saved = msgspec.json.decode(self.note.read_bytes(), type=Saved)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return saved.validator if saved.url == self.url else None

    def start_anew(self) -> None:
        """Forget the bytes that are there."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(url: str, out: Path, limit: int) -> None:
    """Fetch `url` into the file `out`; take up an earlier try, and keep what has come when this one fails.

    Raises:
        BadInput: the server does not have the file, sends more than `limit` bytes, or something other than a file.
        RunFailed: no connection after TRIES tries, or the disk is full; the bytes so far are kept.
    """
    transfer = Transfer(url, out, limit)
    if out.exists() and transfer.validator() is not None:
        return
    out.unlink(missing_ok=True)
    try:
        _try_often(transfer)
    except (Interrupted, KeyboardInterrupt) as e:
        if isinstance(e, NlpcliError):
            e.cause, e.fix = _kept(transfer), "run the same command again"
        raise
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunFailed(
            f"the disk is full at {console.size(transfer.have)} of {url}",
            cause=_kept(transfer),
            fix="free space (`df -h .`) and run the same command again",
        ) from None
    os.replace(transfer.part, out)


def check_url(url: str) -> None:
    """Refuse a URL that is not plain http or https.

    Raises:
        UsageError: another scheme, no host, a password in it (it would stand in the manifest), or odd characters.
    """
    try:
        parts = urlsplit(url)
        known = parts.port != 0 and parts.hostname and parts.scheme in ("http", "https")
    except ValueError:  # a port that is no number, an address with odd brackets
        known = False
    if not known:
        raise UsageError(f"{_shown(url)} is not an http or https URL", fix="give a URL such as https://host/file.zip")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"the URL for {parts.hostname} has a user name or password in it",
            cause="the URL is written into the manifest",
            fix="fetch the file with another tool and give its path to --data",
        )
    if not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise UsageError(f"{_shown(url)} has characters that no URL has", fix="write them as %XX")


def _try_often(transfer: Transfer) -> None:
    tries, wait, best = 0, FIRST_WAIT, transfer.have
    while True:
        try:
            _receive(transfer)
            return
        except Broken as e:
            if transfer.have >= best + GAIN:
                tries, wait, best = 0, FIRST_WAIT, transfer.have
            tries += 1
            if tries >= TRIES:
                raise RunFailed(
                    f"{transfer.url} could not be fetched in {TRIES} tries",
                    cause=f"{e}; {_kept(transfer)}",
                    fix="check the connection (proxies: http_proxy, https_proxy) and run the same command again",
                ) from None
            pause = min(max(wait, e.wait), LONGEST_WAIT)
            console.info(f"fetch: {e}; trying again in {pause:.0f} s ({console.size(transfer.have)} kept)")
            time.sleep(pause)
            wait *= 2


def _receive(transfer: Transfer) -> None:
    """Ask once for what is missing, and write what comes."""
    with _open(transfer) as response:
        start, total = _place(transfer, response)
        if total is not None and total > transfer.limit:
            raise _too_large(transfer, total)
        _write(transfer, response, start, total)


def _open(transfer: Transfer) -> Any:
    """Send the request, with a Range if the server can say whether the bytes we have are of the same file."""
    headers = {"User-Agent": f"nlpcli/{__version__}", "Accept-Encoding": "identity"}
    validator = transfer.validator()
    if transfer.have and validator:
        headers |= {"Range": f"bytes={transfer.have}-", "If-Range": validator}
    try:
        return _opener().open(urllib.request.Request(transfer.url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as e:
        e.close()
        if e.code == 416:  # what we have is as long as the file or longer: no use guessing which
            transfer.start_anew()
            raise Broken("the server cannot go on where the last try ended") from None
        if e.code in TRY_LATER:
            after = e.headers.get("Retry-After", "")
            raise Broken(f"the server answers {e.code} {e.reason}", float(after) if after.isdigit() else 0.0) from None
        raise BadInput(
            f"{transfer.url} cannot be fetched",
            cause=f"the server answers {e.code} {_shown(str(e.reason))}",
            fix="check the URL in a browser; the set may have moved",
        ) from None
    except (OSError, http.client.HTTPException) as e:
        reason = getattr(e, "reason", e)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise _untrusted(transfer.url, reason) from None
        raise Broken(f"no answer from {urlsplit(transfer.url).hostname} ({reason or type(e).__name__})") from None


def _opener() -> urllib.request.OpenerDirector:
    """Speak http and https, through the proxies of the environment, and nothing else: no file:, ftp: or data:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = REDIRECTS
    max_repeats = 1

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Follow within http and https, and never from https back to http."""
        new = urlsplit(newurl).scheme
        if new != "https" and not (new == "http" and urlsplit(req.full_url).scheme == "http"):
            raise BadInput(
                f"{req.full_url} leads to {_shown(newurl)}",
                cause="a redirect may lead to http or https, and not from https to http",
                fix="do not use this URL",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _place(transfer: Transfer, response: Any) -> tuple[int, int | None]:
    """Return where in the file the answer's bytes belong, and how long the file is if the server says so."""
    headers = response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise BadInput(
            f"{transfer.url} comes packed as {_shown(headers['Content-Encoding'])}, which nobody asked for",
            fix="fetch the file with another tool and give its path to --data",
        )
    validator = _validator(headers)
    if response.status == 206:
        unit, _, of = headers.get("Content-Range", "").partition("/")
        known = transfer.validator()
        if not unit.startswith(f"bytes {transfer.have}-") or (validator and validator != known):
            transfer.start_anew()
            raise Broken("the file on the server has changed since the last try")
        console.info(f"fetch: going on at {console.size(transfer.have)}")
        return transfer.have, int(of) if of.isdigit() else None
    if transfer.have:
        console.info("fetch: starting anew (the server cannot go on, or its file has changed)")
    transfer.start_anew()
    write_bytes(transfer.note, msgspec.json.encode(Saved(transfer.url, validator)))
    length = headers.get("Content-Length", "")
    if length.isdigit():
        return 0, int(length)
    if headers.get("Transfer-Encoding", "").lower() != "chunked":
        console.warn(f"the server does not say how long {transfer.url} is; a broken connection would not be noticed")
    return 0, None


def _validator(headers: Any) -> str:
    """Return the strong ETag, or else the date of the file; "" if the server gives neither."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else str(headers.get("Last-Modified", ""))


def _write(transfer: Transfer, response: Any, start: int, total: int | None) -> None:
    with (
        transfer.part.open("ab") as f,
        console.Progress(f"fetch: {transfer.out.name}", None if total is None else total / 1e6, "MB", start / 1e6) as progress,
    ):
        done = start
        while piece := _read(response):
            done += len(piece)
            if done > transfer.limit:
                raise _too_large(transfer, done)
            f.write(piece)
            progress.update(done / 1e6)
        f.flush()
        os.fsync(f.fileno())
    if total is not None and done != total:
        if done > total:
            transfer.start_anew()
        raise Broken(f"{done:,} of {total:,} bytes came")


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read1(PIECE))
    except (OSError, http.client.HTTPException) as e:
        raise Broken(f"the connection broke off ({type(e).__name__})") from None


def _too_large(transfer: Transfer, size: int) -> BadInput:
    transfer.start_anew()
    return BadInput(
        f"{transfer.url} has {size:,} bytes or more; at most {transfer.limit:,} are taken",
        cause="it is larger than its registry entry or --max-size says",
        fix="if you trust the source, raise --max-size (and give --sha256 for a set whose size the registry knows)",
    )


def _untrusted(url: str, e: ssl.SSLCertVerificationError) -> RunFailed:
    return RunFailed(
        f"{urlsplit(url).hostname} has no certificate that this machine trusts",
        cause=e.verify_message,
        fix="install the system's certificates, or name a bundle in SSL_CERT_FILE",
    )


def _kept(transfer: Transfer) -> str:
    if not transfer.have:
        return "nothing has come so far"
    return f"{console.size(transfer.have)} are kept in {transfer.part}; the next try goes on there"


def _shown(text: str) -> str:
    """Make text from outside fit for a terminal."""
    return text[:200].encode("unicode_escape").decode()
