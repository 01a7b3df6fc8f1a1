"""The HTML leaderboard in a browser: its script may run and sorts, and a phone shows AP."""

import pytest

from browser import chromium
from record_example import example_record
from vis_bench.show.leaderboard import leaderboard_text


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(tmp_path):
    records = [
        example_record(
            ap=0.9 - 0.1 * n,
            fps=fps,
            ap_low=0.2,
            ap_high=0.95,
            config_sha256=str(n) * 64,
            method=f"m{n}",
            gflops_per_frame=1.0,
            ar10=0.1,
            hota=0.3,
        )
        for n, fps in enumerate((9.0, None, 100.0))
    ]
    path = tmp_path / "board.html"
    path.write_text(leaderboard_text(records, "html"), encoding="utf-8")
    return path


def methods(browser):
    return [cell.text for cell in browser.driver.find_elements("css selector", "td:nth-child(2)")]


def test_headings_sort_and_nothing_is_refused(browser, page):
    browser.open(page)
    assert methods(browser) == ["m0", "m1", "m2"]
    (fps,) = [
        b for b in browser.driver.find_elements("css selector", "th button") if b.text == "FPS"
    ]
    fps.click()
    assert methods(browser) == ["m2", "m0", "m1"]
    fps.click()
    assert methods(browser) == ["m0", "m2", "m1"], "what was not measured stays last"
    assert browser.logs("browser") == []


def test_a_phone_shows_method_and_ap(browser, page):
    browser.open(page, width=390)
    cell = browser.driver.find_element("css selector", "tbody td:nth-child(3)")
    assert cell.text.startswith("90.0")
    assert cell.rect["x"] + cell.rect["width"] <= 390
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390
