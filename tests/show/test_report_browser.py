"""The HTML report in a real browser: quiet, alone, named, sorted, stepped, enlarged, printed."""

import re

import pytest

from browser import chromium
from report_case import HOSTILE, write_case
from vis_bench.cli import main

LEFT, RIGHT, END, ESCAPE, ENTER = "\ue012", "\ue014", "\ue010", "\ue00c", "\ue007"


@pytest.fixture(scope="module")
def browser():
    with chromium() as window:
        yield window


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One record with plain names, and two with hostile ones."""
    written = {}
    for name, methods in (("one", ("good",)), ("two", ("good", "bad"))):
        folder = tmp_path_factory.mktemp(name)
        names = {} if name == "one" else {
            "name": HOSTILE.replace("/", "-"), "category": HOSTILE, "note": HOSTILE,
            "device": HOSTILE, "command": HOSTILE,
        }  # fmt: skip
        case = write_case(folder, **names)
        written[name] = folder / "report.html"
        arguments = [*(case[method] for method in methods), "--frames", case["frames"],
                     "--annotations", case["annotations"], "--output", written[name],
                     "--resamples", "10"]  # fmt: skip
        assert main(["report", *map(str, arguments)]) == 0
    return written


@pytest.fixture
def one(browser, pages):
    browser.open(pages["one"])
    return browser


@pytest.mark.parametrize("name", ["one", "two"])
def test_no_error_and_no_request(browser, pages, name):
    browser.open(pages[name])
    use_everything(browser)
    assert browser.logs("browser") == []
    asked = browser.requests()
    assert asked[0] == pages[name].as_uri()
    assert all(url.startswith("data:") for url in asked[1:])
    assert browser.js("window.hacked") is None


def use_everything(browser):
    for button in browser.find_all("th button, .controls button"):
        browser.click(button)
    for button in browser.find_all(".zoom"):
        browser.click(button)
        browser.press(RIGHT, ESCAPE)
    for line in browser.find_all(".line svg"):
        browser.click(line)


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_picture_and_control_has_a_name(browser, pages, name):
    browser.open(pages[name])
    images = browser.find_all("img")
    assert len(images) == {"one": 3 * 3, "two": 3 * 4}[name]
    assert all(image.get_attribute("alt").strip() for image in images)
    drawings = browser.find_all("svg")
    assert len(drawings) > 10
    assert all(d.get_attribute("role") == "img" for d in drawings)
    assert all(d.get_attribute("aria-label").strip() for d in drawings)
    for control in browser.find_all("main button, main input"):
        shown = control.accessible_name
        assert shown.strip(), control.get_attribute("outerHTML")
    ids = browser.js("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(ids) == len(set(ids))


def test_pictures_are_shown(one):
    sizes = one.js("Array.from(document.images, i => i.naturalWidth)")
    assert min(sizes) > 100
    assert one.js("getComputedStyle(document.querySelector('.strip')).display") == "none"


def test_hostile_names_are_texts(browser, pages):
    browser.open(pages["two"])
    video = HOSTILE.replace("/", "-")
    assert video in [heading.text for heading in browser.find_all(".video h4")]
    alts = [image.get_attribute("alt") for image in browser.find_all("img")]
    assert any(video in alt for alt in alts)
    assert any(HOSTILE in cell.text for cell in browser.find_all(".sortable th[scope=row]"))


def column(browser, table, number):
    rows = f"Array.from(arguments[0].tBodies[0].rows, r => r.cells[{number}].innerText)"
    return browser.js(rows, table)


def test_a_heading_sorts_and_says_so(one):
    table = next(t for t in one.find_all("table.sortable") if "Every video" in t.text)
    headings = table.find_elements("css selector", "thead th")
    buttons = [heading.find_element("css selector", "button") for heading in headings]
    assert column(one, table, 0) == ["cats", "dogs", "birds"]
    one.click(buttons[0])
    assert column(one, table, 0) == ["birds", "cats", "dogs"]
    assert headings[0].get_attribute("aria-sort") == "ascending"
    one.click(buttons[3])
    falling = [float(text) for text in column(one, table, 3)]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 1
    sorts = [heading.get_attribute("aria-sort") for heading in headings]
    assert sorts == ["none", "none", "none", "descending", "none"]
    one.press(ENTER)
    assert [float(text) for text in column(one, table, 3)] == falling[::-1]
    assert headings[3].get_attribute("aria-sort") == "ascending"


def test_what_was_not_measured_stays_last(one):
    table = one.find("table.sortable")
    one.js("arguments[0].tBodies[0].rows[0].cells[1].removeAttribute('data-order')", table)
    first = column(one, table, 0)[0]
    button = table.find_elements("css selector", "th button")[1]
    for _ in range(2):
        one.click(button)
        assert column(one, table, 0)[-1] == first


def state(browser):
    """Of the first player: the frame, the alternative texts, what is shown."""
    player = browser.find(".player")
    images = player.find_elements("css selector", ".panels img")
    frame = int(player.find_element("css selector", "input").get_attribute("value"))
    alts = [image.get_attribute("alt") for image in images]
    return frame, alts, [image.get_attribute("src") for image in images]


def test_keys_step_through_the_frames(one):
    one.click(one.find(".player .back"))
    before, _, shown = state(one)
    one.press(RIGHT)
    after, alts, now = state(one)
    assert after == before + 1
    assert all(f"frame {after} of video" in alt for alt in alts)
    assert all(a != b for a, b in zip(shown, now, strict=True))
    assert f"frame {after} of 0 to 3" in one.find(".player output").text
    assert one.find(".video .now").get_attribute("x") == str(after)
    one.press(END)
    assert state(one)[0] == 3
    one.press(RIGHT)
    assert state(one)[0] == 3
    one.press(LEFT, LEFT, LEFT, LEFT)
    assert state(one)[0] == 0


def test_keys_reach_the_video_in_sight(one):
    one.js("document.querySelectorAll('.player')[1].scrollIntoView({block: 'center'})")
    sliders = one.find_all(".player input")
    before = [slider.get_attribute("value") for slider in sliders]
    one.press(LEFT if before[1] != "0" else RIGHT)
    after = [slider.get_attribute("value") for slider in sliders]
    assert [a != b for a, b in zip(before, after, strict=True)] == [False, True, False]


def test_play_goes_on_and_pauses(one):
    from selenium.webdriver.support.wait import WebDriverWait

    button = one.find(".player .play")
    one.click(button)
    assert button.text == "Pause"
    before = state(one)[0]
    WebDriverWait(one.driver, 20).until(lambda _: state(one)[0] != before)
    one.click(button)
    assert button.text == "Play"


def test_a_timeline_goes_to_its_frame(one):
    line = one.find(".line svg")
    one.js("arguments[0].scrollIntoView({block: 'center'})", line)
    one.js(
        "arguments[0].dispatchEvent(new MouseEvent('click', {clientX: "
        "arguments[0].getBoundingClientRect().left + 0.9 * arguments[0].clientWidth}))", line
    )  # fmt: skip
    assert state(one)[0] == 3


def test_a_picture_enlarges_and_steps_there_too(one):
    small = one.find(".player img")
    one.click(small)
    large = one.find("dialog img")
    assert one.js("document.querySelector('dialog').open")
    assert large.size["width"] > 1.5 * small.size["width"]
    shapes = [image.size["width"] / image.size["height"] for image in (large, small)]
    assert shapes[0] == pytest.approx(shapes[1], rel=0.01)
    assert large.get_attribute("alt") == small.get_attribute("alt")
    before = state(one)[0]
    one.press(LEFT if before else RIGHT)
    assert state(one)[0] != before
    assert large.get_attribute("src") == small.get_attribute("src")
    assert f"frame {state(one)[0]} " in one.find("dialog .caption").text
    one.press(ESCAPE)
    assert not one.js("document.querySelector('dialog').open")
    one.click(one.find(".zoom svg"))
    assert one.find("dialog svg").size["width"] > 600


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_the_window(browser, pages, name, width):
    browser.open(pages[name], width=width)
    assert browser.js("document.documentElement.scrollWidth") <= width


def luminance(color):
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def test_dark_and_light(browser, pages):
    found = {}
    for scheme in ("light", "dark"):
        browser.open(pages["one"], scheme=scheme)
        colors = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body)"
        paper, ink = browser.js(f"[{colors}.color, 0]")[0].split(")")[:2]
        text = browser.js("getComputedStyle(document.querySelector('.zoom svg text')).fill")
        found[scheme] = luminance(paper), luminance(ink), luminance(text)
    assert found["light"][0] > 700 > 200 > found["light"][1]
    assert found["dark"][0] < 200 < 600 < found["dark"][1]
    assert found["light"][2] < 200
    assert found["dark"][2] > 600


def test_print_shows_strips_on_white(browser, pages):
    browser.open(pages["one"], scheme="dark")
    browser.media(kind="print", scheme="dark")
    assert browser.js("getComputedStyle(document.querySelector('.strip')).display") == "block"
    assert browser.js("getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert luminance(browser.js("getComputedStyle(document.body).backgroundColor")) > 700
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Subtype /Image") >= 3


def test_without_scripts_the_strips_stand_in(browser, pages):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(pages["one"])
        assert browser.find(".strip").is_displayed()
        assert not browser.find(".controls").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
