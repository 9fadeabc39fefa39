"""Waits for what a page says. Playwright's own wait evaluates text inside it, which the content policy forbids."""

import time

from playwright.sync_api import Page


def wait_until(page: Page, expression: str, timeout_s: float = 30.0) -> None:
    """Wait until a JavaScript expression is true.

    Raises:
        AssertionError: it was not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {expression}"
        page.wait_for_timeout(30)
