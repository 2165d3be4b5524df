"""The page in a real browser: nothing hangs over the edge of a small screen, and nothing is complained about."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tgsage.rsa import Teacher, compute_rdm
from tgsage.rsa.report import write_report, write_time_report

from .test_time_report import course

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
MEASURE = """<script>
const root = document.documentElement;
const parts = [...document.querySelectorAll("body *")].filter(part => !part.closest(".scroll, .skip"));
const wide = parts.filter(part => part.getBoundingClientRect().right > root.clientWidth + 1).map(part => part.tagName);
parent.postMessage(JSON.stringify({inner: root.clientWidth, scroll: root.scrollWidth, wide,
  paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color}), "*");
</script></body>"""
FRAME = """<script>addEventListener("message", message => { document.title = message.data; });</script>
<iframe style="border:0;width:WIDTHpx;height:900px" src="measured.html"></iframe>"""  # a window is 500 px wide at least


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    labels = [f"im{i}" for i in range(24)]
    base = rng.normal(size=(24, 20))
    layers = {
        f"a_rather_long_name.of_a.layer{i}": compute_rdm(base + i * rng.normal(size=(24, 20)), labels=labels)
        for i in range(40)
    }
    targets = {name: compute_rdm(base + rng.normal(size=(24, 20)), labels=labels) for name in ("V4", "IT" * 60)}
    teacher = Teacher.from_rdms("t" * 90, targets, {"V4": (0.5, 0.6)}, attrs={"note": "simulated"})
    path = tmp_path_factory.mktemp("report") / "page.html"
    score = teacher.score(layers, bootstrap=50)
    write_report(path, model="m" * 70, teacher=teacher, score=score, rdms=layers, command="tgsage score " + "x" * 200)
    return path


@pytest.fixture(scope="module")
def time_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "time.html"
    write_time_report(path, course(layers=12, targets=3), command="tgsage score " + "x" * 200)
    return path


def dump(page: Path, *options: str) -> tuple[str, str]:
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *options]
    done = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=90)
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("which", ["page", "time_page"])
@pytest.mark.parametrize(("width", "scheme"), [(400, 1), (1280, 0)])
def test_nothing_hangs_over_the_edge_in_light_and_dark(
    request: pytest.FixtureRequest, tmp_path: Path, which: str, width: int, scheme: int
) -> None:
    page: Path = request.getfixturevalue(which)
    text = re.sub(r"<meta http-equiv=.*?>", "", page.read_text())  # the page itself admits no script
    (tmp_path / "measured.html").write_text(text.replace("</body>", MEASURE))
    (tmp_path / "frame.html").write_text(FRAME.replace("WIDTH", str(width)))
    options = (f"--window-size={width + 100},900", f"--blink-settings=preferredColorScheme={scheme}")
    dom, _ = dump(tmp_path / "frame.html", *options, "--virtual-time-budget=5000")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title
    found = json.loads(title[1])
    assert found["inner"] <= width
    assert found["scroll"] <= found["inner"]
    assert found["wide"] == []
    paper, ink = (int(found[key].strip("rgb()").split(",")[0]) for key in ("paper", "ink"))
    assert abs(paper - ink) > 150
    assert (paper > ink) == (scheme == 1)


@pytest.mark.slow
def test_the_console_stays_empty(page: Path) -> None:
    dom, log = dump(page)
    assert "Reproduce" in dom
    assert "CONSOLE" not in log
