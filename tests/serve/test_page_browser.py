"""Tests of the page in Chromium: one server, one browser, and one page for each size."""

import re
import shutil
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest

from tests.serve.listening import listening

pytest.importorskip("uvicorn")
pytest.importorskip("playwright", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"),
]

HTML = "<img src=x onerror=document.title='script'>"
SIZES = {"computer": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address(onnx_model, wav_bytes, tmp_path_factory):
    """Address of a server with a model and an index of four sounds, one of which has HTML in its name."""
    from mxnet_audio.library.search import AudioSearch
    from mxnet_audio.serve import ServedModels, create_app

    folder = tmp_path_factory.mktemp("page")
    sounds = [folder / name for name in (f"{HTML}.wav", "low.wav", "high.wav", "long.wav")]
    for path, (seconds, frequency) in zip(sounds, ((1, 440), (1, 220), (1, 4000), (4, 880))):
        path.write_bytes(wav_bytes(seconds, frequency))
    search = AudioSearch(classifier=onnx_model)
    search.index_many(sounds)
    with listening(create_app(ServedModels(classifier=onnx_model, search=search))) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    # As root, Chromium has no sandbox. Its microphone is a beep each second.
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=SIZES)
def loaded_page(request, browser, address):
    """The page, in the width of a computer and of a phone; at the end, its requests and errors are checked."""
    size = SIZES[request.param]
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.set_default_timeout(60_000)
    requests, errors = [], []
    context.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("filechooser", lambda chooser: None)  # from now on there is no dialog; it would take effect late
    page.goto(address)
    page.get_by_role("button", name="Analyse").wait_for()
    yield page
    assert not [error for error in errors if "Waveform load error" not in error]  # that of the unusable file
    assert len(requests) > 10
    assert {urlsplit(url.removeprefix("blob:")).hostname for url in requests if not url.startswith("data:")} == {
        "127.0.0.1"
    }
    context.close()


@pytest.fixture
def page(loaded_page):
    """The page without a sound; at the end, its title and width are checked."""
    if (clear := loaded_page.get_by_label("Clear")).count():
        clear.click()
        loaded_page.wait_for_function("!document.querySelector('.answer section, .answer [role=alert]')")
    loaded_page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    yield loaded_page
    assert loaded_page.title() == "mxnet-audio: cifar10"
    assert loaded_page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def focused(page):
    """Return the accessible name of the element that has the focus."""
    script = "e => { e = document.activeElement; return e.ariaLabel || e.innerText || e.tagName }"
    return page.evaluate(script)


def tab_to(page, name):
    """Press the tabulator until an element has the focus, which is visible."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if name in focused(page):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"{name} is not reached")


def sound(wav_bytes, name="clip.wav"):
    return {"name": name, "mimeType": "audio/wav", "buffer": wav_bytes(1, 220)}


def analyse(page, file):
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_label("Clear").first.wait_for()  # it is uploaded
    page.get_by_role("button", name="Analyse").click()
    page.locator(".answer h2, .answer [role=alert]").first.wait_for()
    page.locator("[role=status]", has_text=re.compile("^Complete$")).wait_for(state="attached")


def test_a_sound_is_analysed_and_a_neighbour_played(page, wav_bytes):
    analyse(page, sound(wav_bytes, f"{HTML}.wav"))
    assert page.locator("section[aria-label=Labels] th").first.inner_text() in ("low", "high", "noise")
    assert page.locator("section[aria-label=Map] circle").count() == 8
    names = page.locator("section[aria-label='Nearest sounds'] .file").all_inner_texts()
    assert names[0] == "low.wav" and f"{HTML}.wav" in names
    assert page.locator(".answer img").count() == 1
    player = page.locator("audio[aria-label='low.wav']")
    player.evaluate("e => e.play()")
    page.wait_for_function("document.querySelector(\"audio[aria-label='low.wav']\").currentTime > 0.05")


@pytest.mark.parametrize("loaded_page", ["phone"], indirect=True)
def test_the_keyboard_is_enough(page, wav_bytes):
    tab_to(page, "Drop an audio file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(sound(wav_bytes))
    page.get_by_label("Clear").first.wait_for()
    tab_to(page, "Analyse")
    page.keyboard.press("Enter")
    page.locator(".answer h2").first.wait_for()
    tab_to(page, "low.wav")


@pytest.mark.parametrize("loaded_page", ["computer"], indirect=True)
def test_an_unusable_file_is_explained(page):
    analyse(page, {"name": f"{HTML}.wav", "mimeType": "audio/wav", "buffer": b"text"})
    assert "no decoder reads this as sound" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("loaded_page", ["phone"], indirect=True)
def test_the_microphone_is_recorded(page):
    page.get_by_label("Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Stop").first.click()
    page.get_by_role("button", name="Play").first.wait_for()
    page.get_by_role("button", name="Analyse").click()
    page.locator(".answer h2").first.wait_for()
    assert "audio.wav" in page.locator("section[aria-label=Sound] .what").inner_text()
