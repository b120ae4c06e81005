"""The report holds everything in one page, says what failed, and works in a browser: sort, play, slide."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.conftest import MuLaw
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.evaluate import Outputs, evaluate, run_evaluation
from vpcodec.evaluation.examples import choose
from vpcodec.evaluation.plots import Line, Point, rate_plot, spread_plot, usage_plot
from vpcodec.evaluation.report import write_report
from vpcodec.evaluation.results import Results
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.metrics.usage import Usage
from vpcodec.processes import Pool

QUICK = ["si_sdr", "mel_distance"]


@pytest.fixture
def image_report(images, tmp_path) -> Path:
    """Of two qualities of JPEG and one of WebP, one photo being damaged."""
    outputs = Outputs(report=tmp_path / "images.html")
    run_evaluation(images, [], ["jpeg:q10", "jpeg:q60", "webp:q30"], outputs, metrics=["psnr", "ssim"])
    return tmp_path / "images.html"


@pytest.fixture
def speech_report(speech, tmp_path) -> Path:
    """Of two codecs with tokens, one recording being silent."""
    run_evaluation(speech, [MuLaw(3), MuLaw(8)], [], Outputs(report=tmp_path / "speech.html"), metrics=QUICK)
    return tmp_path / "speech.html"


def test_the_page_loads_nothing_from_elsewhere(image_report, speech_report):
    for path in (image_report, speech_report):
        page = path.read_text()
        sources = re.findall(r'(?:src|href|data-media)="([^"]*)"', page)
        assert sources
        assert all(source.startswith(("data:", "#")) for source in sources)
        assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_what_failed_and_what_was_not_measured_stands_before_the_summary(images, tmp_path, monkeypatch):
    monkeypatch.setenv("VPCODEC_LPIPS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    outputs = Outputs(report=tmp_path / "out.html")
    run_evaluation(images, [], ["jpeg:q10"], outputs, metrics=["psnr", "lpips_alex"])
    page = outputs.report.read_text()
    assert page.index("no weights for LPIPS-alex") < page.index('id="summary"')
    assert page.index("jpeg:q10, read: torn.png: ") < page.index('id="summary"')


def test_the_report_gives_the_tokens_beside_cvu_and_refuses_it_for_too_few(speech, tmp_path):
    results = evaluate(speech, [MuLaw(8)], tmp_path / "log", metrics=QUICK)
    write_report(results, speech, [MuLaw(8)], tmp_path / "out.html")
    codes = results.summary.candidates[0].codes
    page = (tmp_path / "out.html").read_text()
    assert f"CVU {codes.cvu_corrected:.4f}" in page
    assert f"codes used by {codes.tokens:,} tokens" in page
    results.usage["mulaw-8"] = Usage.of(np.arange(3 * 256) % 256, 256)
    write_report(results, speech, [MuLaw(8)], tmp_path / "out.html")
    assert "CVU and entropy need 4 tokens a code or more" in (tmp_path / "out.html").read_text()


def test_the_page_says_on_how_many_items_the_first_codec_is_better(speech, tmp_path):
    for codecs, wins in (([MuLaw(8), MuLaw(3)], 4), ([MuLaw(3), MuLaw(8)], 0), ([MuLaw(8)], None)):
        outputs = Outputs(report=tmp_path / f"{wins}.html")
        run_evaluation(speech, codecs, [], outputs, metrics=["si_sdr", "mel_distance"])  # higher, and lower, is better
        page = outputs.report.read_text()
        assert page.count(f"<td>{wins} of 4</td>") == (0 if wins is None else 2)
        assert ("is better than another codec" in page) == (wins is not None)


def test_names_of_files_cannot_become_markup(images, tmp_path):
    first = images.items[0].path
    first.rename(first.with_name("<img src=x onerror=alert(1)>&'\".png"))
    outputs = Outputs(report=tmp_path / "out.html")
    run_evaluation(open_dataset(str(first.parent)), [], ["jpeg:q10"], outputs, metrics=["psnr"])
    assert "<img src=x" not in outputs.report.read_text()


def test_the_worst_items_are_those_of_the_first_candidate(images, speech, tmp_path):
    dataset = {"image": images, "speech": speech}
    codec = {"image": parse_rival("jpeg:q10", "image"), "speech": MuLaw(3)}
    for kind, metric, worst in (("image", "psnr", min), ("speech", "mel_distance", max)):
        results = evaluate(dataset[kind], [codec[kind]], tmp_path / "log", metrics=[metric])
        values = {row.item: row.values[metric] for row in results.rows if row.values}
        chosen = choose(results, 1)
        assert chosen[0] == (worst(values, key=values.get), "worst")
        assert chosen[1][1] == "median"


@pytest.mark.parametrize(("items", "places"), [(1, ["only"]), (2, ["worst", "median"]), (3, ["worst", "median"])])
def test_of_few_items_not_all_are_the_worst(items, places, images, tmp_path):
    results = evaluate(images.sample(items), [parse_rival("jpeg:q10", "image")], tmp_path / "log", metrics=["psnr"])
    assert [place for _, place in choose(results, 3)] == places


def test_a_model_at_several_sizes_is_one_and_a_matched_codec_says_to_which(images, tmp_path):
    codecs = [parse_rival(spec, "image") for spec in ("jpeg:q10", "jpeg:q60", "webp")]
    for codec in codecs[:2]:
        codec.ours = True
    results = evaluate(images, codecs, tmp_path / "log", metrics=["psnr"])
    write_report(results, images, codecs, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert "<h1>1 model at 2 codebook sizes and 1 classical codec on images</h1>" in page
    assert "webp<small>matched to jpeg:q10</small>" in page
    assert ">webp, matched to jpeg:q10</text>" in page


@pytest.mark.parametrize("rates", [(0.085, 0.27), (0.9, 140), (0.23, 0.8), (6.0, 6.0), (2.0, 2.1), (1.0, 6.5)])
def test_the_axis_of_rates_has_round_labels_that_stay_apart(rates):
    svg = rate_plot([Line(0, [Point(rate, 1.0, 0.9, 1.1, "codec") for rate in rates])], "kbit/s", "PSNR")
    axis = svg[svg.index("axis_1") : svg.index("axis_2")].replace(">kbit/s<", "><")
    labels = re.findall(r'x="([\d.]+)"[^>]*>([\d.,]+)</text>', axis)
    places = [float(place) for place, _ in labels]
    assert 1 <= len(places) <= 9
    assert min(np.diff([*places, 1000])) >= 28
    assert places == sorted(places)
    assert all(rates[0] / 1.2 <= float(label) <= rates[1] * 1.6 for _, label in labels)


def test_a_run_in_which_everything_failed_still_has_a_report(speech, tmp_path):
    only_silence = type(speech)(speech.name, speech.kind, speech.items[-1:])
    results = evaluate(only_silence, [MuLaw(8)], tmp_path / "log", metrics=QUICK)
    write_report(results, only_silence, [MuLaw(8)], tmp_path / "out.html")
    assert "cannot encode silence (1 item)" in (tmp_path / "out.html").read_text()


def test_a_report_made_again_of_the_same_rows_is_the_same(speech, tmp_path):
    texts = []
    for _ in range(2):
        results = evaluate(speech, [MuLaw(8)], tmp_path / "log", metrics=QUICK)
        write_report(results, speech, [MuLaw(8)], tmp_path / "out.html")
        texts.append((tmp_path / "out.html").read_text())
    assert texts[0] == texts[1]


def test_rows_are_kept_until_all_files_are_written(speech, tmp_path, monkeypatch):
    outputs, rows = Outputs(json=tmp_path / "out.json"), tmp_path / "out.items.jsonl"
    with monkeypatch.context() as broken:
        broken.setattr(Results, "write_json", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_evaluation(speech, [MuLaw(8)], [], outputs, metrics=QUICK)
    assert rows.is_file()
    codec = MuLaw(8)
    run_evaluation(speech, [codec], [], outputs, metrics=QUICK)
    assert codec.encoded == []
    assert not rows.exists()
    run_evaluation(speech, [codec], [], outputs, metrics=QUICK)
    assert len(set(codec.encoded)) == len(speech.items)


def test_rows_are_kept_where_a_measurement_is_worth_another_try(speech, tmp_path, monkeypatch):
    outputs = Outputs(json=tmp_path / "out.json")
    monkeypatch.setattr(Pool, "run", lambda self, calls: [(call, None) for call in calls])
    run_evaluation(speech, [MuLaw(8)], [], outputs, metrics=QUICK, jobs=1)
    assert (tmp_path / "out.items.jsonl").is_file()


def interrupt(*_):
    raise KeyboardInterrupt


def test_plots_can_be_drawn_of_a_single_value_or_of_equal_ones():
    point = Point(6.0, 1.0, 1.0, 1.0, "a <b>")
    assert "a &lt;b&gt;" in rate_plot([Line(0, [point])], "x", "y")
    assert "nan" not in spread_plot([(0, "a", [2.0]), (1, "b", [2.0, 2.0])], "m")
    assert "nan" not in usage_plot([(0, np.ones(2), 2), (1, np.array([2.0]), 2)])


def test_a_plot_has_the_colors_of_the_page_a_title_for_each_point_and_nothing_to_load():
    points = [Point(rate, rate / 10, 0.1, 1.5, f"codec:{rate:g}") for rate in (6.0, 12.0)]
    svg = rate_plot([Line(1, points)], "kbit/s on disk", "STOI")
    assert "<title>codec:12: 12 kbit/s on disk, 1.2</title>" in svg
    assert "var(--s1)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b|https?:|@import", svg)
    assert svg.startswith('<svg class="plot" viewBox="0 0 400 280" role="img" aria-label="STOI over kbit/s on disk">')


def test_boxes_hold_the_middle_half_of_the_items():
    svg = spread_plot([(0, "codec", list(range(101)))], "PSNR (dB)")
    right, *_ = re.findall(r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [\d.]+ \nL \2', svg[svg.index("axis_2") :])
    ticks = {label: float(place) for place, label in re.findall(r'x="([\d.]+)"[^>]*>(\d+)</text>', svg)}
    pixel = (ticks["100"] - ticks["0"]) / 100
    assert [float(place) for place in right] == pytest.approx(
        [ticks["0"] + share * pixel for share in (25, 75)], abs=0.01
    )


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    automation = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs chromium")
    with automation.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Open a page of the report, cut off from the network; errors in its scripts fail the test."""
    errors = []
    opened = []

    def open_page(path: Path, width: int = 1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 844}, offline=True, **options)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in opened:
        context.close()
    assert errors == []


@pytest.mark.slow
def test_the_table_of_items_sorts_filters_and_changes_its_codec(image_report, visit):
    page = visit(image_report)

    def column(number: int) -> list[str]:
        return page.locator(f".items tbody tr td:nth-child({number})").all_inner_texts()

    assert column(1)[-1] == "torn.png"  # what has no value comes last
    by_psnr = page.get_by_role("button", name="PSNR (dB)")
    for _ in range(2 if page.locator("th[aria-sort=ascending]").inner_text() == "PSNR (dB)" else 1):
        by_psnr.click()
    ascending = [float(text) for text in column(3)[:-1]]
    by_psnr.click()
    assert ascending == sorted(ascending)
    assert [float(text) for text in column(3)[:-1]] == ascending[::-1]
    assert page.locator("th[aria-sort=ascending], th[aria-sort=descending]").count() == 1
    page.get_by_label("Codec").select_option("jpeg:q60")
    assert all(fine > coarse for fine, coarse in zip(sorted(map(float, column(3)[:-1])), ascending, strict=True))
    page.get_by_label("Names that contain").fill("photo2")
    assert column(1) == ["photo2.png"]
    assert page.locator("#count").inner_text() == "1 items, page 1 of 1"


@pytest.mark.slow
def test_the_slider_moves_by_keyboard_and_shows_the_codec_chosen(image_report, visit):
    page = visit(image_report)
    card = page.locator("article").first
    slider = card.get_by_role("slider")
    edge = "element => element.closest('.compare').style.getPropertyValue('--at')"
    slider.focus()
    assert slider.evaluate(edge) == "50%"
    page.keyboard.press("ArrowRight")
    assert slider.evaluate(edge) == "51%"
    before = card.locator(".decoded").get_attribute("src")
    card.get_by_label("webp:q30").check()
    assert card.locator(".decoded").get_attribute("src") != before
    assert card.locator(".corner.right").inner_text() == "webp:q30"
    card.get_by_label("jpeg:q10").check()
    assert card.locator(".decoded").get_attribute("src") == before
    assert card.locator(".decoded").evaluate("image => image.naturalWidth") > 0


@pytest.mark.slow
def test_recordings_play_one_at_a_time(speech_report, visit):
    page = visit(speech_report)
    players = page.locator("audio")
    for index in (0, 1):
        players.nth(index).evaluate("player => { player.muted = true; return player.play(); }")
    page.wait_for_function("document.querySelectorAll('audio')[0].paused")
    assert players.nth(1).evaluate("player => player.duration") > 0.5
    assert page.locator("figure img").first.evaluate("image => image.naturalHeight") == 128


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_page_without_scrolling_sideways(image_report, speech_report, visit, scheme):
    for path in (image_report, speech_report):
        page = visit(path, width=360, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.slow
def test_text_has_enough_contrast_in_light_and_dark(image_report, visit):
    contrast = """() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(name).trim().slice(1);
        const parts = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
        const linear = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05;
      };
      const ratio = (one, other) => Math.max(light(one) / light(other), light(other) / light(one));
      const text = ["--ink", "--soft", "--accent", "--bad"].flatMap((name) =>
        ["--page", "--card", "--tint"].map((ground) => [name, ground, ratio(name, ground), 4.5]));
      const marks = [0, 1, 2, 3, 4, 5, 6].map((number) => [number, "--card", ratio(`--s${number}`, "--card"), 3]);
      return [...text, ...marks].filter(([, , found, wanted]) => found < wanted);
    }"""
    for scheme in ("light", "dark"):
        assert visit(image_report, color_scheme=scheme).evaluate(contrast) == []


@pytest.mark.slow
def test_everything_that_can_be_used_can_be_reached_with_the_tab_key(image_report, visit):
    page = visit(image_report)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.type || document.activeElement.getAttribute('role') || '')"))
    assert {"range", "radio", "select-one", "search", "button", "region"} <= reached
