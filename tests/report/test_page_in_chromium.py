"""The report as a browser shows it: Debian's Chromium, without a screen."""

import re

import pytest

from chaosdrill.report.build import write_report
from chaosdrill.report.palette import DARK, LIGHT
from chaosdrill.report.texts import Words
from tests.chromium import needs_chromium

pytestmark = [pytest.mark.long, needs_chromium]

ZOOMED = "[0, 1].map((n) => Date.parse(document.getElementById('waterfall')._fullLayout.AXIS.range[n] + 'Z'))"


def rgb(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def background(seen):
    return seen.run("getComputedStyle(document.body).backgroundColor")


def paper_of_figure(seen):
    return seen.run("getComputedStyle(document.querySelector('#waterfall .main-svg')).backgroundColor")


def test_it_is_drawn_without_an_error_and_asks_nobody_for_anything(run, see):
    path = write_report(run)
    seen = see(path)
    seen.page.wait_for_timeout(200)  # whatever else it might still want
    assert seen.said == []
    assert seen.asked == [path.as_uri()]
    assert seen.run("document.querySelectorAll('#waterfall .main-svg').length") >= 2
    # a bar of the waterfall, a line of the error ratio, a point for each heartbeat: drawn, not only there as data
    assert seen.run("document.querySelectorAll('#waterfall .barlayer .point path').length") > 40
    assert seen.run("document.querySelectorAll('#waterfall .scatterlayer path.js-line').length") >= 5
    beats = seen.run("document.querySelectorAll('#waterfall .scatterlayer .trace.scatter path.point').length")
    assert beats > 1700
    assert "passed" in seen.page.inner_text("h2#verdict")


def test_a_script_that_is_not_ours_is_refused_by_the_page_itself(run, see):
    path = write_report(run)
    path.write_text(path.read_text().replace("</main>", "<script>window.theirs = 1</script></main>"))
    seen = see(path)
    assert seen.run("window.theirs") is None
    assert any("Content Security Policy" in text for text in seen.said)


def test_zoom_moves_every_row_and_the_upper_axis(run, see):
    seen = see(write_report(run))
    seen.page.set_viewport_size({"width": 1280, "height": 1900})
    before = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    box = seen.page.locator("#waterfall .draglayer .xy rect.nsewdrag").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=8)
    seen.page.mouse.up()
    seen.until(
        "(before) => Date.parse(document.getElementById('waterfall')._fullLayout.xaxis.range[0] + 'Z') > before + 1000",
        arg=before[0],
    )
    after = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    assert after[1] < before[1] - 1000
    assert after == seen.run(ZOOMED.replace("AXIS", "xaxis2"))
    # every panel has this one axis of time
    axes = seen.run("document.getElementById('waterfall')._fullData.map((trace) => trace.xaxis || 'x')")
    assert set(axes) == {"x", "x2"}
    panels = seen.run("document.getElementById('waterfall')._fullData.map((trace) => trace.yaxis || 'y')")
    assert set(panels) == {"y", "y2", "y3", "y4"}
    assert seen.said == []


def test_buttons_show_a_movement_and_all_of_it_again(run, see):
    seen = see(write_report(run))
    whole = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    seen.page.get_by_role("button", name="Failover").click()
    seen.until(
        "(whole) => Date.parse(document.getElementById('waterfall')._fullLayout.xaxis.range[1] + 'Z') < whole - 1000",
        arg=whole[1],
    )
    begin, end = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    assert whole[0] < begin < end < whole[1]
    seen.page.get_by_role("button", name="Whole drill").click()
    seen.until(
        "(end) => Date.parse(document.getElementById('waterfall')._fullLayout.xaxis.range[1] + 'Z') > end", arg=end
    )
    assert seen.run(ZOOMED.replace("AXIS", "xaxis")) == pytest.approx(whole, abs=1)


def test_dark_when_the_reader_s_system_is_and_a_button_turns_it(run, see):
    seen = see(write_report(run), color_scheme="dark")
    assert (background(seen), paper_of_figure(seen)) == (rgb(DARK["paper"]), rgb(DARK["paper"]))
    assert seen.page.get_attribute("#theme", "aria-pressed") == "true"
    seen.page.click("#theme")
    seen.until("document.documentElement.dataset.theme === 'light'")
    assert (background(seen), paper_of_figure(seen)) == (rgb(LIGHT["paper"]), rgb(LIGHT["paper"]))
    assert seen.page.get_attribute("#theme", "aria-pressed") == "false"
    # the colours of regions and of what failed follow, too
    fills = seen.run("[...document.querySelectorAll('#waterfall .barlayer path')].map((one) => one.style.fill)")
    assert {rgb(LIGHT["region-1"]), rgb(LIGHT["region-2"]), rgb(LIGHT["bad"])} <= set(fills)
    assert not {rgb(DARK["region-1"]), rgb(DARK["bad"])} & set(fills)
    assert seen.said == []


def test_a_change_of_the_theme_keeps_the_zoom(run, see):
    seen = see(write_report(run))
    whole = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    seen.page.get_by_role("button", name="Failback").click()
    seen.until(
        "(whole) => Date.parse(document.getElementById('waterfall')._fullLayout.xaxis.range[0] + 'Z') > whole + 1000",
        arg=whole[0],
    )
    zoomed = seen.run(ZOOMED.replace("AXIS", "xaxis"))
    seen.page.click("#theme")
    assert paper_of_figure(seen) == rgb(DARK["paper"])
    seen.until(f"(zoomed) => String({ZOOMED.replace('AXIS', 'xaxis')}) === String(zoomed)", arg=zoomed)
    seen.page.locator(".modebar-btn[data-title='Show all']").dispatch_event("click")
    seen.until(f"(whole) => String({ZOOMED.replace('AXIS', 'xaxis')}) === String(whole)", arg=whole)


def test_on_paper_it_is_light_and_nothing_is_folded_away(run, see):
    seen = see(write_report(run), color_scheme="dark")
    seen.run("dispatchEvent(new Event('beforeprint'))")
    seen.page.emulate_media(media="print", color_scheme="dark")
    seen.until("document.getElementById('waterfall')._fullLayout.width < 1100")
    assert (background(seen), paper_of_figure(seen)) == ("rgb(255, 255, 255)", rgb(LIGHT["paper"]))
    assert seen.run("document.querySelector('#waterfall .main-svg').getBoundingClientRect().width") <= 691
    assert seen.run("document.querySelectorAll('.steps details:not([open])').length") == 0
    assert not seen.page.is_visible("#theme")
    seen.page.emulate_media(media="screen", color_scheme="dark")
    seen.run("dispatchEvent(new Event('afterprint'))")
    assert paper_of_figure(seen) == rgb(DARK["paper"])
    assert seen.run("document.querySelectorAll('.steps details[open]').length") == 0


def test_it_prints(run, see, tmp_path):
    seen = see(write_report(run))
    printed = seen.page.pdf(format="A4", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 50_000
    assert seen.said == []


def test_a_telephone_shows_it_without_scrolling_sideways(run, see):
    seen = see(write_report(run))
    seen.page.set_viewport_size({"width": 360, "height": 740})
    seen.until("document.getElementById('waterfall')._fullLayout.width < 360")
    assert seen.run("document.documentElement.scrollWidth") <= 360


def test_pointing_at_something_says_its_time_value_and_region(run, see):
    seen = see(write_report(run))
    bar = seen.run(
        """(() => {
          const bars = [...document.querySelectorAll('#waterfall .barlayer path')];
          const box = bars.map((one) => one.getBoundingClientRect()).find((one) => one.width > 100);
          document.documentElement.style.scrollBehavior = 'auto';
          scrollBy(0, box.top - 300);
          return [box.left + box.width / 2, 300 + box.height / 2];
        })()"""
    )
    seen.page.mouse.move(bar[0] - 20, bar[1])
    seen.page.mouse.move(bar[0], bar[1], steps=4)
    seen.page.wait_for_selector("#waterfall .hoverlayer .hovertext")
    text = seen.page.text_content("#waterfall .hoverlayer .hovertext")
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} to \d\d:\d\d:\d\d\.\d{3} UTC \(\d+\.\d{3} s\)", text), text


def test_the_japanese_page(run, see, tmp_path):
    seen = see(write_report(run, "ja", tmp_path / "ja.html"))
    assert seen.run("document.documentElement.lang") == "ja"
    assert "合格" in seen.page.inner_text("h2#verdict")
    labels = seen.run("[...document.querySelectorAll('#waterfall .ytick text')].map((one) => one.textContent)")
    assert {"リージョン状態", "障害注入", "経路切替"} <= set(labels)
    titles = seen.run("[...document.querySelectorAll('.modebar-btn')].map((one) => one.dataset.title)")
    assert titles
    assert all(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", one) for one in titles)
    assert seen.said == []


def test_a_run_without_a_moment_has_no_figure_and_no_error(tmp_path, see):
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "history.jsonl").write_text('{"event": "drill-opened", "run_id": "x"}\n')
    seen = see(write_report(directory), drawn=False)
    assert seen.said == []
    assert Words("en")("timeline.none") in seen.page.inner_text("main")


def test_colours_are_legible(see):
    """WCAG: text 4.5 to 1, and what is no text 3 to 1, against the paper."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        light, dark = sorted((luminance(one), luminance(other)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    texts = ("ink", "faint", "link", "passed", "failed", "invalid", "interrupted")
    shapes = (
        "region-1",
        "region-2",
        "region-3",
        "region-4",
        "bad",
        "fault",
        "action",
        "phase",
        "machine",
        "p50",
        "p95",
    )
    for palette in (LIGHT, DARK):
        for name in texts:
            assert min(contrast(palette[name], palette[ground]) for ground in ("paper", "raised")) >= 4.5, name
        for name in shapes:
            assert contrast(palette[name], palette["paper"]) >= 3, name
        for name in ("region-1", "region-2", "region-3", "bad", "action", "machine", "phase", "dark"):
            assert contrast(palette["on-colour"], palette[name]) >= 3.8, name
    assert set(LIGHT) == set(DARK)
