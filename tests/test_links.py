"""The page behind the links of `exp start`: a real server, a real vault, real HTTP."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path

import pytest

import browser
from conftest import EXECUTABLE, Home
from wholeness import count, made_now, reader, until

LINKS = Path(__file__).parent.parent / "contrib" / "web" / "links.py"
NOBODY = "00000000-0000-4000-8000-000000000000"
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}


class Site:
    """The server, and what it has answered."""

    def __init__(self, home: Home, program: str = EXECUTABLE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(LINKS), "--port", "0", "--bunkerctl", program],
            env={**home.environment, "BUNKERCTL_ACTOR": "links", "BUNKERCTL_LOCK_WAIT": "0s"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        self.port = int(first.removeprefix("listening at 127.0.0.1:"))
        self.headers = HTTPMessage()

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        """Return the status and the body of an answer; keep its headers."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, body, named)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        self.headers = answer.headers
        return answer.status, text

    def press(self, path: str, **headers: str) -> tuple[int, str]:
        """Press the button of a page; return the status and the title of the answer."""
        status, text = self.ask("POST", path, b"", **headers)
        return status, title(text)

    def stop(self) -> None:
        """Ask the server to end, as systemd does: once."""
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> str:
        """End the server; return what it has printed."""
        self.stop()
        return self.rest()

    def rest(self) -> str:
        """Wait for the end of a server that was stopped; return what it has printed."""
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.stderr.close()
        assert self.process.wait(60) == 0
        return said


@pytest.fixture
def people(bare: Home) -> Home:
    return made_now(bare)


@pytest.fixture
def site(people: Home) -> Iterator[Site]:
    opened = Site(people)
    yield opened
    if opened.process.returncode is None:
        opened.close()


def title(page: str) -> str:
    found = re.search("<title>(.*)</title>", page)
    assert found is not None
    return found[1]


def events(home: Home) -> int:
    return count(home, "audit")


@pytest.mark.parametrize("action", ["retain", "delete"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_to_open_a_link_changes_nothing_and_tells_nothing(
    people: Home, site: Site, action: str, method: str
) -> None:
    token = people.add(email="ann@example.com", name="Ann")
    exptoken = people.start(token)
    before = people.ok(f"exp status {token} --json").json, events(people)
    status, page = site.ask(method, f"/exp/{action}/{exptoken}")
    assert status == 200
    assert {name: site.headers[name] for name in PRIVATE} == PRIVATE
    policy = site.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    if method == "HEAD":
        assert page == "" and int(site.headers["Content-Length"]) > 0
    else:
        assert page.count("<button>") == 1
        assert page == site.ask("GET", f"/exp/{action}/{NOBODY}")[1]  # whoever it is
    number = events(people)
    assert (people.ok(f"exp status {token} --json").json, number) == before


def test_the_button_keeps_a_person_and_twice_is_once(people: Home, site: Site) -> None:
    token = people.add(login="ann")
    link = people.start(token)
    assert site.press(f"/exp/retain/{link}") == (200, "Your data is kept")
    assert people.ok(f"exp status {token} --json").json["expstatus"] == "retain"
    status, page = site.ask("POST", f"/exp/retain/{link.upper()}?utm_source=mail")
    assert (status, "You had already told us" in page) == (200, True)
    assert site.press(f"/exp/delete/{link}") == (409, "This was decided before")
    assert people.ok(f"exp status {token} --json").json["expstatus"] == "retain"
    acts = people.ok("audit list --action exp.retain --json").json
    assert [act["actor"] for act in acts] == ["links", "links"]


def test_the_button_removes_a_person_and_twice_is_once(people: Home, site: Site) -> None:
    token = people.add(login="ann")
    link = people.start(token)
    assert site.press(f"/exp/delete/{link}") == (200, "Your data is removed")
    assert people.ok(f"exp status {token} --json").json["expstatus"] == "expired"
    status, page = site.ask("POST", f"/exp/delete/{link}")
    assert (status, "removed already" in page) == (200, True)
    assert site.press(f"/exp/retain/{link}") == (409, "This was decided before")
    assert count(people, "users") == 0


def test_whoever_is_held_stays(people: Home, site: Site) -> None:
    token = people.add(login="ann")
    link = people.start(token)
    people.ok(f"user hold {token} --reason case")
    assert site.press(f"/exp/delete/{link}") == (409, "Not now")
    assert count(people, "users") == 1


def test_a_link_that_nobody_has_is_not_found(people: Home, site: Site) -> None:
    assert site.press(f"/exp/delete/{NOBODY}") == (404, "This link is not valid")


def test_a_vault_that_others_use_is_busy(people: Home, site: Site) -> None:
    token = people.add(login="ann")
    link = people.start(token)
    db = people.database()
    db.begin()
    assert site.press(f"/exp/retain/{link}") == (503, "Please try again")
    assert site.headers["Retry-After"] == "60"
    db.rollback()
    db.close()
    assert site.press(f"/exp/retain/{link}")[0] == 200


def test_whoever_is_erased_is_told_so_though_a_reader_keeps_old_pages(
    people: Home, site: Site
) -> None:
    link = people.start(people.add(login="ann"))
    with reader(people):
        assert site.press(f"/exp/delete/{link}") == (200, "Your data is removed")
    assert site.close() == "200 delete: bunkerctl exit 15 residue\n"


def test_a_vault_that_cannot_be_opened_is_an_error_that_the_log_explains(
    people: Home, site: Site
) -> None:
    link = people.start(people.add(login="ann"))
    people.key_file.rename(people.directory / "elsewhere")
    assert site.press(f"/exp/retain/{link}") == (500, "Something went wrong")
    assert site.close() == "500 retain: bunkerctl exit 13 key_unavailable\n"


def test_a_program_that_is_not_there_is_an_error(people: Home) -> None:
    site = Site(people, "/nonexistent/bunkerctl")
    assert site.press(f"/exp/retain/{NOBODY}") == (500, "Something went wrong")
    assert site.close() == "500 retain: FileNotFoundError\n"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/exp/retain/",
        "/exp/sweep/" + NOBODY,
        "/exp/retain/--help",
        "/exp/retain/" + NOBODY[:-1],
        "/exp/retain/" + NOBODY + "0",
        "/exp/retain/" + NOBODY + "/",
        "/exp/retain/" + NOBODY + "%0a",
        "/exp/retain/../delete/" + NOBODY,
        "//evil.example/exp/retain/" + NOBODY,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_path_is_not_found_and_runs_nothing(
    people: Home, site: Site, path: str, method: str
) -> None:
    before = events(people)
    assert site.ask(method, path)[0] == 404
    assert (events(people), site.close()) == (before, "")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    assert site.ask(method, f"/exp/delete/{NOBODY}")[0] == 405
    assert site.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (f"GET /exp/retain/{NOBODY}?{'x' * 3000} HTTP/1.1", 414),
        ("GET /" + "x" * 65532, 414),  # so much is read
        (f"BREW /exp/retain/{NOBODY} HTTP/1.1", 501),
        (f"GET /exp/retain/{NOBODY} HTTP/9.9", 505),
        (f"{NOBODY}", 400),
        (f"POST /exp/retain/{NOBODY} HTTP/1.1\r\nContent-Length: 20000", 413),
        (f"POST /exp/retain/{NOBODY} HTTP/1.1\r\nContent-Length: -1", 400),
        (f"POST /exp/retain/{NOBODY} HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
    ],
)
def test_a_malformed_request_is_answered_and_not_repeated(
    people: Home, site: Site, request_line: str, status: int
) -> None:
    before = events(people)
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as line:
        line.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode()[:65537])
        answer = line.makefile("rb").read().decode()
    assert answer.partition("\r\n")[0].split()[1] == str(status)
    assert NOBODY not in answer and "BREW" not in answer and "Python" not in answer
    assert {f"{name}: {value}" for name, value in PRIVATE.items()} <= set(answer.splitlines())
    assert (events(people), site.close()) == (before, "")


def test_only_a_button_of_this_site_acts(people: Home, site: Site) -> None:
    link = people.start(people.add(login="ann"))
    for foreign in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}):
        assert site.press(f"/exp/delete/{link}", **foreign)[0] == 403
    for origin in ("https://evil.example", "https://127.0.0.1.evil.example", "http://["):
        assert site.press(f"/exp/delete/{link}", Origin=origin)[0] == 403
    assert count(people, "users") == 1
    ours = {"Host": "example.com", "Origin": "https://example.com"}
    assert site.press(f"/exp/delete/{link}", **ours)[0] == 200


def test_no_token_and_no_address_is_in_the_log(people: Home, site: Site) -> None:
    link = people.start(people.add(login="ann"))
    site.ask("GET", f"/exp/delete/{link}")
    site.press(f"/exp/delete/{link}")
    site.press(f"/exp/delete/{NOBODY}")
    said = site.close()
    assert said == "200 delete: bunkerctl exit 0\n404 delete: bunkerctl exit 4 not_found\n"


def test_the_log_names_no_client_that_leaves(people: Home, site: Site) -> None:
    line = socket.create_connection(("127.0.0.1", site.port), timeout=60)
    line.sendall(b"GET /exp/retain/" + NOBODY.encode())
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.close()  # by a reset
    site.ask("GET", f"/exp/delete/{NOBODY}")
    assert site.close() in ("", "a request failed: ConnectionResetError\n")


def gated(place: Path) -> tuple[str, Path]:
    """Make a program that notes each start in a file, and runs bunkerctl when a gate is there.

    Return the program and the file.
    """
    program, begun, gate = place / "gated", place / "begun", place / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.01; done"
    program.write_text(f'#!/bin/sh\necho >>{begun}\n{wait}\nexec {EXECUTABLE} "$@"\n')
    program.chmod(0o755)
    return str(program), begun


def test_more_than_a_few_at_once_are_asked_to_come_again(people: Home, tmp_path: Path) -> None:
    program, begun = gated(tmp_path)
    begun.touch()
    site = Site(people, program)
    lines = []
    for _ in range(4):
        line = socket.create_connection(("127.0.0.1", site.port), timeout=60)
        line.sendall(f"POST /exp/retain/{NOBODY} HTTP/1.0\r\n\r\n".encode())
        lines.append(line)
    until(lambda: begun.read_text() == "\n" * 4)
    assert site.press(f"/exp/retain/{NOBODY}") == (503, "Please try again")
    (tmp_path / "gate").touch()
    for line in lines:
        answer = line.makefile("rb").read()
        assert answer.split()[1] in (b"404", b"503")  # the vault has one writer at a time
        line.close()
    assert begun.read_text() == "\n" * 4
    site.close()


def test_what_is_begun_is_finished_when_the_server_is_stopped(people: Home, tmp_path: Path) -> None:
    link = people.start(people.add(login="ann"))
    program, begun = gated(tmp_path)
    site = Site(people, program)
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as line:
        line.sendall(f"POST /exp/delete/{link} HTTP/1.0\r\n\r\n".encode())
        until(begun.exists)
        site.stop()
        (tmp_path / "gate").touch()
        assert b" 200 " in line.makefile("rb").read()
    assert site.rest() == "200 delete: bunkerctl exit 0\n"
    assert count(people, "users") == 0


def test_it_listens_at_this_machine_alone(site: Site) -> None:
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if line.split()[1].endswith(f":{site.port:04X}") and line.split()[3] == "0A"
    ]
    assert listening == [f"0100007F:{site.port:04X}"]


@browser.NEEDED
def test_a_person_presses_the_button_in_a_browser(people: Home, site: Site) -> None:
    link = people.start(people.add(login="ann"))
    with browser.Tab(people.directory) as tab:
        tab.open(f"http://127.0.0.1:{site.port}/exp/delete/{link}")
        until(lambda: tab.value("document.querySelector('button') !== null"))
        assert tab.value("document.title") == "Remove my data"
        assert (
            tab.value("getComputedStyle(document.body).maxWidth") == "512px"
        )  # let in by the policy
        assert count(people, "users") == 1
        tab.value("document.querySelector('button').click()")
        until(lambda: tab.value("document.title") == "Your data is removed")
        assert count(people, "users") == 0


@browser.NEEDED
def test_a_browser_presses_no_button_of_another_site(people: Home, site: Site) -> None:
    link = people.start(people.add(login="ann"))
    there = f"http://127.0.0.1:{site.port}/exp/delete/{link}"
    page = people.directory / "evil.html"
    page.write_text(f'<title>evil</title><form method="post" action="{there}"></form>')
    with browser.Tab(people.directory) as tab:
        tab.open(page.as_uri())
        until(lambda: tab.value("document.forms.length") == 1)
        tab.value("document.forms[0].submit()")
        until(lambda: tab.value("document.title") == "This link is not valid")
    assert count(people, "users") == 1
