"""The HTML report in a real browser: quiet, alone, named, sorted, stepped, enlarged, printed."""

import re

import pytest

from browser import chromium
from report_case import HOSTILE, write_case
from vis_bench.cli import main
from vis_bench.show.overlay.painting import color_of, contrast

BARS = ".map svg:last-child a"
LEFT, RIGHT, END, ESCAPE, ENTER = "\ue012", "\ue014", "\ue010", "\ue00c", "\ue007"


@pytest.fixture(scope="module")
def browser():
    with chromium() as window:
        yield window


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One record with plain names, two with hostile ones, and two on 240 videos."""
    written = {}
    both = "good", "bad"
    for name, methods in (("one", ("good",)), ("two", both), ("many", both)):
        folder = tmp_path_factory.mktemp(name)
        names = (
            {"num_videos": 3 if name == "one" else 240}
            if name != "two"
            else {
                "name": HOSTILE.replace("/", "-"),
                "category": HOSTILE,
                "note": HOSTILE,
                "device": HOSTILE,
                "command": HOSTILE,
            }
        )
        case = write_case(folder, **names)
        written[name] = folder / "report.html"
        arguments = [
            *(case[method] for method in methods),
            "--frames",
            case["frames"],
            "--annotations",
            case["annotations"],
            "--output",
            written[name],
            "--resamples",
            "10",
            *(["--videos", "5", "--max-size", "1"] if name == "many" else []),
        ]
        assert main(["report", *map(str, arguments)]) == 0
    return written


@pytest.fixture
def one(browser, pages):
    browser.open(pages["one"])
    return browser


@pytest.mark.parametrize("name", ["one", "two", "many"])
def test_no_error_and_no_request(browser, pages, name):
    browser.open(pages[name])
    use_everything(browser)
    assert browser.logs("browser") == []
    asked = browser.requests()
    assert asked[0] == pages[name].as_uri()
    assert all(url.startswith("data:") for url in asked[1:])
    assert browser.js("window.hacked") is None


def use_everything(browser):
    browser.js("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    click = "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    for mark in browser.find_all(".map a"):  # some lie below others, or are less than a pixel wide
        browser.js(click, mark)
    for button in browser.find_all("th button, .controls button"):
        browser.click(button)
    for button in browser.find_all(".zoom"):
        browser.click(button)
        browser.press(RIGHT, ESCAPE)
    for line in browser.find_all(".line svg"):
        browser.click(line)
    for button in browser.find_all(".close"):
        browser.click(button)


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_picture_and_control_has_a_name(browser, pages, name):
    browser.open(pages[name])
    for mark in browser.find_all(BARS):
        browser.click(mark)
    images = browser.find_all("img")
    assert len(images) == 3
    assert all(image.get_attribute("alt").strip() for image in images)
    canvases = browser.find_all("canvas")
    assert len(canvases) == {"one": 3 * 2, "two": 3 * 3}[name]
    assert all(c.get_attribute("aria-label").strip() for c in canvases)
    drawings = browser.find_all("svg")
    assert len(drawings) > 10
    assert all(d.get_attribute("role") in ("img", "group") for d in [*drawings, *canvases])
    assert all(d.get_attribute("aria-label").strip() for d in drawings)
    browser.js("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for control in browser.find_all("main button, main input"):
        shown = control.accessible_name
        assert shown.strip(), control.get_attribute("outerHTML")
    ids = browser.js("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(ids) == len(set(ids))


def wait_for(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser.driver, 20, poll_frequency=0.05).until(lambda _: condition())


def painted(browser, frame):
    """Waits until the first panel of the open video shows a frame; returns its pixels."""
    canvas = browser.find(".video.open canvas")
    wait_for(browser, lambda: canvas.get_attribute("data-painted") == str(frame))
    return browser.js("arguments[0].toDataURL()", canvas)


def test_masks_are_painted_over_their_frame(one):
    """The ground truth's left object is the first color, over the square that its mask is."""
    for mark in one.find_all(BARS):
        if "cats" in mark.get_attribute("aria-label"):
            one.click(mark)
    article = one.find("#video-1")
    frame = int(article.find_element("css selector", "input").get_attribute("value"))
    canvas = article.find_elements("css selector", "canvas")[-1]
    wait_for(one, lambda: canvas.get_attribute("data-painted") == str(frame))
    pixel = "Array.from(arguments[0].getContext('2d').getImageData({}, {}, 1, 1).data)"
    scale = int(canvas.get_attribute("width")) // 96
    inside, outside = (
        one.js(pixel.format(x * scale, y * scale), canvas)[:3] for x, y in ((16, 28), (50, 10))
    )
    orange, ground = color_of(0), (70, 80 + 10 * frame, 90)
    assert outside == pytest.approx(ground, abs=8)
    assert inside == pytest.approx(
        [0.47 * c + 0.53 * g for c, g in zip(orange, ground, strict=True)], abs=10
    )


def test_a_bar_opens_its_video_and_close_hides_it(one):
    opened = one.find_all(".video.open")
    assert len(opened) == 1
    assert len(one.find_all("canvas")) == 2, "players are made on demand"
    one.click(one.find_all(BARS)[-1])
    assert len(one.find_all(".video.open")) == 2
    last = one.find_all(".video")[-1]
    assert last.is_displayed()
    assert len(last.find_elements("css selector", "canvas")) == 2
    one.click(last.find_element("css selector", ".close"))
    assert not last.is_displayed()
    assert one.js("document.activeElement.closest('.map') !== null")


def test_240_videos_have_a_dot_and_a_bar_each(browser, pages):
    for width, most in ((1280, 620), (390, 820)):
        browser.open(pages["many"], width=width)
        assert len(browser.find_all(".map title")) == 2 * 240
        assert most / 2 < browser.find(".map").rect["height"] < most
        wait_for(browser, lambda: browser.find_all(".video.open canvas"))
        assert browser.js("document.documentElement.scrollHeight") < 13000
    assert len(browser.find_all(BARS)) == 5
    assert "5 of 240 can be opened" in browser.find("#videos + .remark").text
    fill = "getComputedStyle(arguments[0].querySelector(':not(title, .hit)')).fill"
    bars = browser.find_all(".map svg:last-child > :is(a, g)")
    assert len({browser.js(fill, own) for own in (bars[0], bars[-1])}) == 2, "of A and of B"


def test_the_worst_video_is_open_and_leads_to_the_next(browser, pages):
    browser.open(pages["two"])
    titles = browser.find_all(".map svg:last-child title")
    names = [own.get_attribute("textContent").partition(": AP")[0] for own in titles]
    [opened] = browser.find_all(".video.open h3")
    assert opened.text == names[0]
    browser.click(browser.find(".video.open .head a"))
    assert browser.find_all(".video.open h3")[1].text == names[1]
    links = [link.text for link in browser.find_all(".video.open .head a")]
    assert links == ["Next worst", "Best"] * 2


def test_few_tab_stops_lead_to_the_first_player_and_arrows_move_within_groups(browser, pages):
    browser.open(pages["two"])
    wait_for(browser, lambda: browser.find_all("canvas"))
    stops = browser.js(
        "Array.from(document.querySelectorAll('a, button, input, [tabindex]')).filter("
        "e => e.tabIndex >= 0 && e.checkVisibility()).findIndex(e => e.matches('.player'))"
    )
    assert 0 < stops < 10
    first, second = browser.find_all(BARS)[:2]
    browser.js("arguments[0].focus()", first)
    browser.press(RIGHT)
    assert browser.driver.switch_to.active_element == second
    assert (first.get_attribute("tabindex"), second.get_attribute("tabindex")) == ("-1", "0")
    assert browser.js("getComputedStyle(document.querySelector('.bar')).position") == "sticky"


def test_the_difference_is_in_sight_on_a_narrow_screen(browser, pages):
    browser.open(pages["two"], width=390)
    for table in browser.find_all("table.sortable"):
        titles = [th.text for th in table.find_elements("css selector", "thead th")]
        if (place := next((i for i, t in enumerate(titles) if "B - A" in t), None)) is not None:
            cell = table.find_elements("css selector", "tbody tr:first-child > *")[place]
            assert cell.rect["x"] + cell.rect["width"] <= 390, titles


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser, pages, scheme):
    browser.open(pages["two"], scheme=scheme)
    found = browser.js(COLORS)
    assert len(found) > 20
    for words, ink, grounds in found:
        ground = (255, 255, 255)
        for layer in grounds:
            *color, opacity = layer
            ground = [opacity * c + (1 - opacity) * g for c, g in zip(color, ground, strict=True)]
        assert contrast(tuple(ink[:3]), tuple(ground)) >= 4.5, (words, ink, grounds)


# Texts, their colors and the backgrounds below, outermost first, as red, green, blue, opacity.
COLORS = """(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  return Array.from(document.querySelectorAll(
    '.letter, .tile *, td, th button, small, .remark, .caveat, dd, dt, a, .words, figcaption'
  )).filter((e) => e.checkVisibility() && e.textContent.trim()).map((e) => {
    const grounds = [];
    for (let at = e; at; at = at.parentElement) {
      grounds.unshift(rgba(getComputedStyle(at).backgroundColor));
    }
    return [e.textContent.slice(0, 30), rgba(getComputedStyle(e).color), grounds];
  });
})()"""


def test_hostile_names_are_texts(browser, pages):
    browser.open(pages["two"])
    video = HOSTILE.replace("/", "-")
    assert video in [
        heading.get_attribute("textContent") for heading in browser.find_all(".video h3")
    ]
    alts = [image.get_attribute("alt") for image in browser.find_all("img")]
    assert any(video in alt for alt in alts)
    assert any(HOSTILE in cell.text for cell in browser.find_all(".sortable th[scope=row]"))


def column(browser, table, number):
    rows = f"Array.from(arguments[0].tBodies[0].rows, r => r.cells[{number}].innerText)"
    return browser.js(rows, table)


def test_a_heading_sorts_and_says_so(one):
    table = next(t for t in one.find_all("table.sortable") if "every video" in t.text)
    headings = table.find_elements("css selector", "thead th")
    buttons = [heading.find_element("css selector", "button") for heading in headings]
    assert column(one, table, 0) == ["cats", "dogs", "birds"]
    one.click(buttons[0])
    assert column(one, table, 0) == ["birds", "cats", "dogs"]
    assert headings[0].get_attribute("aria-sort") == "ascending"
    one.click(buttons[2])
    falling = [float(text) for text in column(one, table, 2)]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 1
    sorts = [heading.get_attribute("aria-sort") for heading in headings]
    assert sorts == ["none", "none", "descending", "none", "none"]
    one.press(ENTER)
    assert [float(text) for text in column(one, table, 2)] == falling[::-1]
    assert headings[2].get_attribute("aria-sort") == "ascending"


def test_what_was_not_measured_stays_last(one):
    table = one.find("table.sortable")
    one.js("arguments[0].tBodies[0].rows[0].cells[1].removeAttribute('data-order')", table)
    first = column(one, table, 0)[0]
    button = table.find_elements("css selector", "th button")[1]
    for _ in range(2):
        one.click(button)
        assert column(one, table, 0)[-1] == first


def state(browser):
    """Of the open player: the frame, the alternative texts, what is shown."""
    player = browser.find(".video.open .player")
    frame = int(player.find_element("css selector", "input").get_attribute("value"))
    canvases = player.find_elements("css selector", ".panels canvas")
    return frame, [c.get_attribute("aria-label") for c in canvases], painted(browser, frame)


def test_keys_step_through_the_frames(one):
    one.click(one.find(".open .back"))
    before, _, shown = state(one)
    one.press(RIGHT)
    after, alts, now = state(one)
    assert after == before + 1
    assert all(f"frame {after} of video" in alt for alt in alts)
    assert shown != now
    assert f"frame {after} (0 to 3)" in one.find(".open output").text
    assert one.find(".open .now").get_attribute("x") == str(after)
    one.press(END)
    assert state(one)[0] == 3
    one.press(RIGHT)
    assert state(one)[0] == 3
    one.press(LEFT, LEFT, LEFT, LEFT)
    assert state(one)[0] == 0


def test_keys_reach_the_video_in_sight(one):
    for tile in one.find_all(BARS):
        one.click(tile)
    one.js("document.activeElement.blur()")
    one.js("document.querySelectorAll('.player')[1].scrollIntoView({block: 'center'})")
    sliders = one.find_all(".player input")
    before = [slider.get_attribute("value") for slider in sliders]
    one.press(LEFT if before[1] != "0" else RIGHT)
    after = [slider.get_attribute("value") for slider in sliders]
    assert [a != b for a, b in zip(before, after, strict=True)] == [False, True, False]


def test_play_goes_on_and_pauses(one):
    button = one.find(".open .play")
    one.click(button)
    assert button.text == "Pause"
    before = state(one)[0]
    wait_for(one, lambda: state(one)[0] != before)
    one.click(button)
    assert button.text == "Play"


def test_a_timeline_goes_to_its_frame(one):
    line = one.find(".open .line svg")
    one.js("arguments[0].scrollIntoView({block: 'center'})", line)
    one.js(
        "arguments[0].dispatchEvent(new MouseEvent('click', {clientX: "
        "arguments[0].getBoundingClientRect().left + 0.9 * arguments[0].clientWidth}))",
        line,
    )
    assert state(one)[0] == 3


def test_a_picture_enlarges_and_steps_there_too(one):
    small = one.find(".open .player canvas")
    one.click(small)
    large = one.find("dialog canvas")
    assert one.js("document.querySelector('dialog').open")
    assert large.size["width"] > 1.5 * small.size["width"]
    shapes = [image.size["width"] / image.size["height"] for image in (large, small)]
    assert shapes[0] == pytest.approx(shapes[1], rel=0.01)
    assert large.get_attribute("aria-label") == small.get_attribute("aria-label")
    before = state(one)[0]
    one.press(LEFT if before else RIGHT)
    assert state(one)[0] != before
    images = [one.js("arguments[0].toDataURL()", canvas) for canvas in (large, small)]
    assert images[0] == images[1]
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
    assert browser.js("getComputedStyle(document.querySelector('table')).breakInside") == "avoid"
    height = browser.js("document.querySelector('.printed .strip').getBoundingClientRect().height")
    assert 0 < height < 12 / 2.54 * 96 + 1, "a video fits a page with its objects"
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
