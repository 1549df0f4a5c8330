"""The dashboard in a browser: refused without the token; with it, tables and a picture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

import kvmnb
from tests.browser.lab import BROWSER, CHROMIUM, OUTPUT
from tests.daemon import Daemon
from tests.plugin import notebook_environment
from tests.serving import serving
from tests.storage.builders import Site

_PATIENCE = 60_000


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        home: dict[str, str | float | bool] = {**os.environ, "HOME": str(tmp_path)}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER, env=home)
        made = browser.new_page(viewport={"width": 1200, "height": 1400})
        expect.set_options(timeout=_PATIENCE)
        yield made
        browser.close()


@pytest.fixture
def site(clean_daemon: Daemon) -> Iterator[Site]:
    with kvmnb.connect(clean_daemon.uri, readonly=False) as host:
        yield Site(clean_daemon, host).running()


def _environment(daemon: Daemon) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        notebook_environment(patch, daemon)
        return dict(os.environ)


@pytest.mark.parametrize("write", [False, True])
def test_the_dashboard_opens_with_the_token_alone(
    site: Site, page: Page, tmp_path: Path, write: bool
) -> None:
    answered: list[str] = []
    page.on("response", lambda answer: answered.append(answer.url))
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    words = ["--write"] if write else []
    with serving(tmp_path, "dashboard", *words, env=_environment(site.daemon)) as (address, _):
        origin = address.partition("?")[0]
        page.goto(origin)
        expect(page.get_by_label("Password or token")).to_be_visible()
        assert page.get_by_role("grid").count() == 0

        page.goto(address, timeout=_PATIENCE)
        pools = page.get_by_role("grid", name="Storage pools")
        expect(pools).to_contain_text(site.pool)
        expect(page.get_by_role("grid", name="Volumes")).to_be_visible()
        expect(page.get_by_role("grid", name="Guests", exact=True)).to_be_visible()
        expect(page.get_by_role("img", name="How full 1 storage pool is")).to_be_visible()
        how = "for reading and changing" if write else "for reading only"
        expect(page.get_by_text(re.compile(f"^Host .* {how}$"))).to_be_visible()
        page.screenshot(path=OUTPUT / "dashboard.png", full_page=True)

        site.daemon.virsh("pool-destroy", site.pool)
        page.get_by_role("button", name="Refresh").first.click()
        expect(pools).to_contain_text("inactive")
        expect(page.get_by_role("img", name=f"Not known: {site.pool}")).to_be_visible()
        assert [url for url in answered if not url.startswith((origin, "data:", "blob:"))] == []
