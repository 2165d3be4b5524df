"""A study to report, and the page that is made of it, taken apart."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from tgsage.rsa import RDM, Teacher, TeacherScore, compute_rdm
from tgsage.rsa.report import write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Elements with their attributes and text; raises where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element: tuple[str, dict[str, str | None], list[str]] = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, text in self.open:
            text.append(data)

    def all(self, *tags: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, " ".join("".join(text).split())) for tag, attrs, text in self.elements if tag in tags]


def study(
    n: int = 24,
    layers: int = 4,
    targets: tuple[str, ...] = ("V4", "IT"),
    *,
    name: str = "layer{}",
    by: str = "stimulus",
    bootstrap: int = 60,
    ceilings: bool = True,
    seed: int = 0,
    note: str = "",
) -> tuple[Teacher, TeacherScore, dict[str, RDM]]:
    """A model whose layers come nearer to the targets, one after another."""
    rng = np.random.default_rng(seed)
    labels, category = [f"im{i}" for i in range(n)], [f"kind {i % 4}" for i in range(n)]
    base = rng.normal(size=(4, 30))[np.arange(n) % 4] + rng.normal(size=(n, 30))
    common: dict[str, Any] = {"labels": labels, "by": by, "descriptors": {"category_name": category}}
    wanted = {
        t: compute_rdm(base + rng.normal(size=(n, 30)), attrs={"neuroids": 30, "scale": "zscore"}, **common)
        for t in targets
    }
    rdms = {
        name.format(i): compute_rdm(
            base + (layers - i) * rng.normal(size=(n, 30)), attrs={"n_features": 30, "seed": 7}, **common
        )
        for i in range(layers)
    }
    known = dict.fromkeys(targets[:1], (0.61, 0.72)) if ceilings else None
    attrs = {"ceiling": "sqrt of split-half reliability (Spearman-Brown, pearson)", **({"note": note} if note else {})}
    teacher = Teacher.from_rdms("a teacher", wanted, known, attrs=attrs)
    return teacher, teacher.score(rdms, bootstrap=bootstrap, seed=3), rdms


def render(
    folder: Path, found: tuple[Teacher, TeacherScore, dict[str, RDM]], model: str = "a model", **options: Any
) -> tuple[str, Page]:
    teacher, score, rdms = found
    path = folder / "report.html"
    write_report(path, model=model, teacher=teacher, score=score, rdms=rdms, **options)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)
