# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: live, right, and names are text."""
import os
import shutil
import tempfile

import pytest

from conftest import make_lab, wait_for

webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-page", 2, managers=2)
    lab.run("forward", 18081, 1, 8080)
    lab.run("forward", 18082, 2, 8080)
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    profile = tempfile.mkdtemp()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--user-data-dir=" + profile, "--window-size=1300,900"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(service=webdriver.chrome.service.Service("/usr/bin/chromedriver"),
                              options=options)
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


def text(browser, selector):
    # In one script: the page may replace its elements between two commands of the driver.
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)


@pytest.mark.parametrize("port", [18081, 18082])
def test_every_manager_shows_the_nodes(lab, browser, port):
    browser.get(f"http://127.0.0.1:{port}/")
    wait_for("two columns", lambda: sorted(text(browser, ".node h2")) == ["node1", "node2"], 15)
    assert any("leader" in m for m in text(browser, ".node .meta"))


def test_tasks_appear_and_disappear_by_themselves(lab, browser):
    browser.get("http://127.0.0.1:18081/")
    lab.create("seen", replicas=3)
    wait_for("three cards", lambda: len([t for t in text(browser, ".task b")
                                         if t.startswith("seen.")]) == 3, 20)
    lab.update("seen", lambda s: s["Mode"]["Replicated"].update(Replicas=1))
    wait_for("one card", lambda: len([t for t in text(browser, ".task b")
                                      if t.startswith("seen.")]) == 1, 20)


def test_names_are_text_never_markup(lab, browser):
    label = "<img src=x onerror=document.title='owned'>"
    lab.create("markup", image="busybox:1", command=("sh", "-c", "sleep 1000"),
               Placement={"Constraints": ["node.labels.x == " + "nobody"]})
    browser.get("http://127.0.0.1:18081/")
    wait_for("a card", lambda: any("markup" in t for t in text(browser, ".task b")), 20)
    # In one script: an event of the cluster would put the true name back.
    shown, images, title = browser.execute_script("""
        for (const s of state.services) s.name = arguments[0];
        render();
        const cards = [...document.querySelectorAll('.task b, #filter option')];
        return [cards.map(e => e.textContent), document.querySelectorAll('main img, header img').length,
                document.title];""", label)
    assert any(label in t for t in shown)
    assert images == 0 and title == "swarm"


def test_the_page_loads_nothing_from_outside_and_says_so(lab, browser):
    browser.get("http://127.0.0.1:18081/")
    wait_for("columns", lambda: text(browser, ".node h2"), 15)
    urls = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)")
    assert urls and all(u.startswith("http://127.0.0.1:18081/") for u in urls)


def test_cards_can_be_reached_by_keyboard(lab, browser):
    browser.get("http://127.0.0.1:18081/")
    wait_for("cards", lambda: text(browser, ".task b"), 15)
    assert browser.execute_script(
        "return [...document.querySelectorAll('.task')].every(e => e.tabIndex === 0)")
    if os.environ.get("SWARM_SCREENSHOT"):
        browser.save_screenshot(os.environ["SWARM_SCREENSHOT"])
