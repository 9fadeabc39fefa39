"""A real Chromium for the tests of the page; they say so and skip where there is none."""

import shutil
from collections.abc import Iterator

import pytest
from fake_site import serve_fake
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from waiting import wait_until

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def server(site):
    """The fake site that a module's own fixture `site` makes, served."""
    with serve_fake(site) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which(CHROMIUM)
    if path is None:
        pytest.skip(f"no {CHROMIUM}; install Debian's chromium to test the page")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Viewers:
    """Opens the page in contexts of its own; remembers what was refused, thrown or logged as an error."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._faults: list[str] = []

    def __call__(self, address: str, width: int = 1280, height: int = 800, **options) -> Page:
        context = self._browser.new_context(viewport={"width": width, "height": height}, **options)
        self._contexts.append(context)
        context.set_default_timeout(30_000)  # what is late on a busy machine is not wrong
        page = context.new_page()
        page.on("pageerror", lambda error: self._faults.append(str(error)))
        page.on("console", lambda message: self._faults.append(message.text) if message.type == "error" else None)
        page.goto(address)
        wait_until(page, "window.spoton")
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        expected = ("WebSocket connection to", "net::ERR_", "Failed to load resource")  # of a server that has gone
        assert [fault for fault in self._faults if not any(word in fault for word in expected)] == []


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Viewers]:
    viewers = Viewers(chromium)
    yield viewers
    viewers.close()


@pytest.fixture(scope="module")
def open_shared_page(chromium: Browser) -> Iterator[Viewers]:
    viewers = Viewers(chromium)
    yield viewers
    viewers.close()
