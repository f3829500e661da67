#!/usr/bin/env python3
"""The page behind the two links of `exp start`: it shows a button, and acts when that is pressed.

GET /exp/retain/EXPTOKEN and GET /exp/delete/EXPTOKEN answer with a page that has one button. They
ask the vault nothing and change nothing, for mail scanners and previews open every link. POST,
which is what the button does, runs `bunkerctl exp retain` or `bunkerctl exp delete`. To press twice
does no harm: both commands answer the second time that it was so already.

It listens at 127.0.0.1 alone, for a web server of yours that speaks TLS and passes /exp/ on to it.
Nothing that it prints has a token or an address of a client. It is of the standard library alone,
and made to be copied: what people read is in PAGES and ANSWERS.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from hashlib import sha256
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import NamedTuple

PATH = re.compile(
    "/exp/(retain|delete)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE
)
COMMANDS = {"retain": ("exp", "retain"), "delete": ("exp", "delete", "--yes")}

AT_ONCE = 4  # commands; who comes then is asked to come again
COMMAND_SECONDS = 60
CLIENT_SECONDS = 10  # for a client that says nothing
LONGEST_PATH = 2000
LONGEST_BODY = 10_000  # what a form sends is not read, but it has to be taken in


class Page(NamedTuple):
    """What a person reads."""

    title: str
    text: str
    button: str = ""


PAGES = {
    "retain": Page(
        "Keep my data",
        "If you want us to keep your data, press the button. Nothing happens before.",
        "Keep my data",
    ),
    "delete": Page(
        "Remove my data",
        "If you want us to remove your data now, press the button. It cannot be undone."
        " Nothing happens before.",
        "Remove my data now",
    ),
}
DONE = {
    ("retain", True): Page("Your data is kept", "Thank you. It will not be removed."),
    ("retain", False): Page("Your data is kept", "You had already told us to keep it."),
    ("delete", True): Page("Your data is removed", "We have removed it for good."),
    ("delete", False): Page("Your data is removed", "It had been removed already."),
}
"""By the command, and by whether it changed anything."""

UNKNOWN = Page(
    "This link is not valid", "It may have been replaced by a newer one, or not be complete."
)
FAILED = Page(
    "Something went wrong",
    "It is not certain that it was done. Please try again later: to press twice does no harm.",
)
ANSWERS = {
    "not_found": (HTTPStatus.NOT_FOUND, UNKNOWN),
    "conflict": (
        HTTPStatus.CONFLICT,
        Page("This was decided before", "The link no longer applies, and nothing was changed."),
    ),
    "held": (
        HTTPStatus.CONFLICT,
        Page("Not now", "There is a legal reason to keep this data for now. Nothing was changed."),
    ),
    "busy": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        Page("Please try again", "We are busy, and nothing was changed. Try again in a minute."),
    ),
    # Erased, committed and final; the next command of any kind clears what a reader kept open.
    "residue": (HTTPStatus.OK, DONE["delete", True]),
}
"""What to say by the code of bunkerctl's error; FAILED for any other."""

STYLE = """
:root { color-scheme: light dark; }
body { max-width: 32rem; margin: 4rem auto; padding: 0 1rem; font: 1.1rem/1.5 sans-serif; }
button { font: inherit; padding: .6rem 1.2rem; cursor: pointer; }
"""
STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
}


def html(page: Page) -> bytes:
    """Return a page; its form goes back to the address that the page has."""
    form = ""
    if page.button:
        form = f'<form method="post"><button>{escape(page.button)}</button></form>\n'
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(page.title)}</title>
<style>{STYLE}</style>
<h1>{escape(page.title)}</h1>
<p>{escape(page.text)}</p>
{form}</html>
""".encode()


class Server(ThreadingHTTPServer):
    """A server of this machine that runs a few commands at once."""

    daemon_threads = False  # so that its end waits for what has been begun

    def __init__(self, port: int, bunkerctl: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.bunkerctl = bunkerctl
        self.turns = threading.BoundedSemaphore(AT_ONCE)

    def act(self, action: str, exptoken: str) -> tuple[HTTPStatus, Page, str]:
        """Run the command; return the status, the page, and what the log is to say of it."""
        if not self.turns.acquire(blocking=False):
            return *ANSWERS["busy"], "too many at once"
        try:
            return self._run(action, exptoken)
        except (OSError, ValueError, LookupError, subprocess.TimeoutExpired) as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, FAILED, type(error).__name__
        finally:
            self.turns.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what went wrong, mostly that the client has left; never who that was."""
        print(f"a request failed: {type(sys.exception()).__name__}", file=sys.stderr, flush=True)

    def _run(self, action: str, exptoken: str) -> tuple[HTTPStatus, Page, str]:
        # A UUID begins with a digit or a letter: it is never taken for an option.
        line = [self.bunkerctl, "--no-input", "--json", *COMMANDS[action], exptoken]
        done = subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        said = f"bunkerctl exit {done.returncode}"
        if done.returncode == 0:
            return HTTPStatus.OK, DONE[action, json.loads(done.stdout)["changed"]], said
        code = error_code(done.stderr)
        return *ANSWERS.get(code, (HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)), f"{said} {code}"


def error_code(stderr: bytes) -> str:
    """Return the code of bunkerctl's error, which is the last line; never its message."""
    try:
        return str(json.loads(stderr.splitlines()[-1])["error"]["code"])
    except (ValueError, LookupError, TypeError):
        return "unknown"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = CLIENT_SECONDS
    default_request_version = "HTTP/1.0"  # so that an error has headers, whatever was asked

    def do_GET(self) -> None:
        found = self._link()
        if found:
            self._answer(HTTPStatus.OK, PAGES[found[0]])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        found = self._link()
        if not found or not self._takes_body():
            return
        if not self._from_our_page():
            self._answer(HTTPStatus.FORBIDDEN, UNKNOWN, said="from another site")
            return
        status, page, said = self.server.act(*found)
        self._answer(status, page, said=f"{found[0]}: {said}")

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, UNKNOWN)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def _link(self) -> tuple[str, str] | None:
        """Return the action and the exptoken of the path, or answer that there is no such page.

        What mail programs add behind a question mark is no part of it.
        """
        path = self.path.partition("?")[0]
        if len(self.path) > LONGEST_PATH:
            self._answer(HTTPStatus.REQUEST_URI_TOO_LONG, UNKNOWN)
            return None
        found = PATH.fullmatch(path)
        if found is None:
            self._answer(HTTPStatus.NOT_FOUND, UNKNOWN)
            return None
        return found[1].lower(), found[2].lower()

    def _takes_body(self) -> bool:
        """Take in what was sent, or answer that it is too much; nothing in it matters."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,9}", length):
            self._answer(HTTPStatus.BAD_REQUEST, UNKNOWN)
            return False
        if int(length) > LONGEST_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, UNKNOWN)
            return False
        self.rfile.read(int(length))
        return True

    def _from_our_page(self) -> bool:
        """Tell whether a browser says that the button was on a page of this site.

        Browsers of today say so themselves, where a page came by https. With `no-referrer` the
        Origin of such a button is "null". What is no browser says neither, and knows the token.
        """
        site = self.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in ("same-origin", "none")  # none: loaded anew by hand
        host = self.headers.get("Host")
        origin = self.headers.get("Origin", "null")
        return origin in ("null", f"https://{host}", f"http://{host}")

    def _answer(self, status: HTTPStatus, page: Page, said: str = "") -> None:
        body = html(page)
        self.send_response_only(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD, POST")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "60")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if said:
            print(f"{status.value} {said}", file=sys.stderr, flush=True)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is none, without repeating it."""
        self.close_connection = True
        self._answer(HTTPStatus(code), UNKNOWN)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: it would have the path, and so the token."""


def stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    about = (__doc__ or "").splitlines()[0]
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--port", type=int, default=8787, help="at 127.0.0.1 (default 8787)")
    options.add_argument("--bunkerctl", default="bunkerctl", metavar="FILE", help="the program")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, stop)
    with Server(chosen.port, chosen.bunkerctl) as server:
        print(f"listening at 127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
