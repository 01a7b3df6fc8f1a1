"""The site that `.ci/site` builds: every page listed, quiet, alone, searchable, narrow, dark."""

import os
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import tomllib

from browser import chromium
from paths import ROOT

OPENED = ["index", "leaderboard", "report", "docs/evaluate", "results/index"]


def listed(entries):
    for entry in entries:
        if isinstance(entry, dict):
            for inner in entry.values():
                yield from [inner] if isinstance(inner, str) else listed(inner)
        else:
            yield entry


def test_every_page_is_in_the_list():
    project = tomllib.loads((ROOT / ".ci" / "zensical.toml").read_text())["project"]
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("results/**/*.md")]
    others = {f"{name}.md" for name in ("index", "CHANGELOG", "CONTRIBUTING", "SECURITY")}
    html = {"leaderboard.html", "report.html"}
    expected = {str(page.relative_to(ROOT)) for page in pages} | others | html
    names = list(listed(project["nav"]))
    assert sorted(names) == sorted(expected)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site."""
    programs = Path(sys.executable).parent
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")
    folder = tmp_path_factory.mktemp("site")
    (folder / "report.html").write_text(
        "<!doctype html><link rel=icon href=data:,><title>Report</title><h1>Report</h1>"
    )
    subprocess.run(
        [ROOT / ".ci" / "site", folder / "site", folder / "report.html"],
        env={**os.environ, "BIN": str(programs)},
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return folder / "site"


@pytest.fixture(scope="module")
def site(built):
    """The address of the site on a web server."""
    handler = partial(QuietHandler, directory=built)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *message):
        pass


@pytest.fixture(scope="module")
def browser():
    with chromium() as window:
        yield window


@pytest.mark.extra("zensical")
@pytest.mark.parametrize("page", OPENED)
def test_a_page_is_quiet_and_asks_no_other_host(site, browser, page):
    for width, scheme in ((1280, "light"), (390, "dark")):
        browser.open(f"{site}{page}.html", width=width, scheme=scheme)
        assert [entry for entry in browser.logs("browser") if entry["level"] == "SEVERE"] == []
        requests = browser.requests()
        assert f"{site}{page}.html" in requests
        assert [url for url in requests if not url.startswith((site, "data:", "blob:"))] == []


@pytest.mark.extra("zensical")
@pytest.mark.parametrize("page", ["index", "docs/evaluate"])
def test_a_narrow_page_does_not_scroll_sideways(site, browser, page):
    browser.open(f"{site}{page}.html", width=390)
    assert browser.js("document.documentElement.scrollWidth") <= 390


@pytest.mark.extra("zensical")
def test_light_and_dark_follow_the_reader(site, browser):
    colors = {}
    for scheme in ("light", "dark"):
        browser.open(f"{site}docs/evaluate.html", scheme=scheme)
        text = browser.js("getComputedStyle(document.body).backgroundColor")
        colors[scheme] = [float(part) for part in text.split("(")[1].rstrip(")").split(",")[:3]]
    assert min(colors["light"]) > 200
    assert max(colors["dark"]) < 60


@pytest.mark.extra("zensical")
def test_pages_are_searched_from_a_server_and_as_files(built, site, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(browser.driver, 10)
    search = "[...document.querySelectorAll('*')].map(e => e.shadowRoot).find(e => e)"
    first = f"{search}.querySelector('[role=listbox]')?.firstElementChild?.textContent"
    for address in (site, f"{built.as_uri()}/"):
        browser.open(f"{address}docs/cost.html")
        wait.until(lambda _: browser.js(f"{search} != null"))
        browser.press("/")
        wait.until(lambda _: browser.js(f"{search}.activeElement != null"))
        browser.press("coverage")
        wait.until(lambda _: "Intervals, ranks and power" in (browser.js(first) or ""))
        requests = browser.requests()
        assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.extra("zensical")
def test_charts_of_the_front_stand_beside_each_other_and_no_command_is_cut(site, browser):
    places = "[...document.querySelectorAll('picture + picture')].map(e => e.parentElement)"
    tops = f"{places}.map(p => [...p.querySelectorAll('img')].map(i => Math.round(i.offsetTop)))"
    cut = "[...document.querySelectorAll('pre > code')].filter(e => e.scrollWidth > e.clientWidth)"
    for width in (1280, 830, 390):
        browser.open(f"{site}index.html", width=width)
        [[first, second]] = browser.js(tops)
        assert (first == second) == (width > 390)
        assert browser.js(f"{cut}.length") == 0
