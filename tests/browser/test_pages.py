"""What a person sees when a gate is shut, in a real browser, from a real server."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import chromium
from tests.browser.showing import DENIED, STATUSES, TAKEN, TITLES, UNAVAILABLE, shown

pytestmark = pytest.mark.skipif(
    chromium.executable() is None, reason="no Chromium: npm could not bring one, and this machine has none"
)

KINDS = [DENIED, TAKEN, UNAVAILABLE]
# Zoom gives a page fewer pixels of its own: 1280 at 200 % are 640, at 400 % 320, as on a telephone.
SCREENS = {"wide": (1280, 800), "zoomed to 200 %": (640, 400), "narrow": (320, 640)}
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}
# What the browser itself writes about any page that is not a 200.
STATUS_LINE = "Failed to load resource: the server responded with a status of"


@pytest.fixture(scope="module")
def browser():
    with chromium.running() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_site():
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ACCESS_KEY_ID", "testing")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with shown() as site:
            yield site


@pytest.fixture
def site(shared_site):
    yield shared_site
    shared_site.lm.faults.clear()


@pytest.fixture
def look(browser):
    """``look(url, **context)``: a page of a fresh browser profile, with what it asked for and what it complained of."""
    contexts = []

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.text.startswith(STATUS_LINE) or page.complaints.append(said.text),
        )
        page.response = page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def assert_fits(page):
    """Nothing is cut off, and nothing has to be scrolled sideways."""
    width, scrolled = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    assert scrolled <= width
    for box in (one.bounding_box() for one in page.locator("h1, p, dt, dd, a").all()):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def assert_accessible(page):
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def assert_asked_no_other_host(page):
    assert {urlsplit(asked).netloc for asked in page.asked} == {urlsplit(page.url).netloc}


def screens(page):
    """The page on every screen, on light and on dark ones."""
    for scheme in PAPER:
        page.emulate_media(color_scheme=scheme)
        for width, height in SCREENS.values():
            page.set_viewport_size({"width": width, "height": height})
            yield scheme


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_read_by_everybody(site, look, kind):
    with site.because(kind) as url:
        page = look(url)
    assert page.response.status == STATUSES[kind]
    assert page.title() == page.get_by_role("heading", level=1).inner_text() == TITLES[kind]
    for scheme in screens(page):
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER[scheme]
        assert_fits(page)
        assert_accessible(page)  # contrast included
    assert page.complaints == []
    assert_asked_no_other_host(page)


def test_letters_of_twice_the_size_fit(site, look):
    with site.because(TAKEN) as url:
        page = look(url, viewport={"width": 320, "height": 640})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert_fits(page)


def test_a_no_offers_no_retry_and_the_others_say_when(site, look):
    told = {}
    for kind in KINDS:
        with site.because(kind) as url:
            page = look(url)
        facts = dict(zip(page.locator("dt").all_inner_texts(), page.locator("dd").all_inner_texts(), strict=True))
        told[kind] = (facts, page.get_by_role("link").count())
    assert told == {
        DENIED: ({"Needed": "Analytics"}, 0),
        TAKEN: ({"Needed": "Seats", "Try again in": "30 seconds"}, 1),
        UNAVAILABLE: ({"Needed": "Seats", "Try again in": "1 second"}, 1),
    }


def tries_again(page):
    page.keyboard.press("Tab")
    with page.expect_navigation() as arrived:
        page.keyboard.press("Enter")
    return arrived.value.status


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
@pytest.mark.parametrize("kind", [TAKEN, UNAVAILABLE])
def test_the_keyboard_alone_tries_again_and_gets_in(site, look, kind, scripts):
    with site.because(kind) as url:
        page = look(f"{url}?document=7&part=b", java_script_enabled=scripts)
        assert tries_again(page) == STATUSES[kind], "nothing has changed yet"
    assert tries_again(page) == 200
    assert '"page":"seat"' in page.inner_text("body")
    assert page.url == f"{url}?document=7&part=b", "the whole address is kept"


def test_where_the_keyboard_stands_is_seen(site, look):
    with site.because(TAKEN) as url:
        page = look(url)
    page.keyboard.press("Tab")
    focused = page.locator("a:focus-visible")
    assert focused.evaluate("it => getComputedStyle(it).outlineStyle + ' ' + getComputedStyle(it).outlineWidth") == (
        "solid 3px"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_against_styles_leaves_a_readable_page(site, look, kind):
    with site.because(kind) as url:
        page = look(f"{url}?strict")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "none", "styles are refused"
    assert len(page.complaints) == 1
    assert "Content Security Policy" in page.complaints[0]
    assert page.get_by_role("heading", level=1).inner_text() == TITLES[kind]
    for _scheme in screens(page):
        assert_fits(page)
        assert_accessible(page)
    assert_asked_no_other_host(page)
