"""Open a report in a browser, and hold what it shows against the records that it was made from.

    check.py CHROMIUM WORK MODEL BEFORE OUT

WORK has the bucket and the trainer's work folder, BEFORE is the report that was made before freshness and ablations were
measured, OUT/report.html the one after, with OUT/pictures. Screenshots go to OUT. Exits 1 with a line for each thing that
is wrong.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser import Browser, expect, faults  # noqa: E402

SECTIONS = ["tables", "training", "groups", "age", "ablations", "map", "users"]
CHARTS = ["scorers", "loss", "activity", "popularity", "age", "map"]


def exact(number):
    """To 12 digits: a program that reads a number and writes it again may change the last one of 17."""
    return float(f"{float(number):.12g}")


def values(tab, where, name):
    """The exact values of a field, in the order of the page."""
    return [exact(cell.get_attribute("data-value")) for cell in tab.query_selector_all(f"{where} [data-field={name}]")]


def check_page(tab, expected_missing):
    """What every report must have."""
    shown = [section.get_attribute("id") for section in tab.query_selector_all("section")]
    expect("sections", shown, SECTIONS)
    missing = [section for section in shown if tab.query_selector(f"#{section} [data-missing]")]
    expect("sections without figures", missing, expected_missing)
    for section in shown:
        filled = tab.query_selector(f"#{section} figure, #{section} table, #{section} [data-missing]")
        expect(f"section {section}: has something", filled is not None, True)
    for note in tab.query_selector_all("[data-missing] code"):
        expect("a missing part's command", note.inner_text().startswith("trainer "), True)
    expect("scripts", len(tab.query_selector_all("script")), 0)
    expect("elements from titles", len(tab.query_selector_all("main b")), 0)
    made = tab.inner_text("[data-field=made]")
    for part in ("trainer report", "seed 1", "commit", "checkpoints/"):
        expect(f"how it was made: {part}", part in made, True)
    for figure in tab.query_selector_all("figure"):
        title, labels = figure.query_selector("figcaption").inner_text(), figure.query_selector_all("text.label")
        expect(f"chart `{title}`: its title is a sentence with a figure", any(char.isdigit() for char in title), True)
        units = [label.inner_html() for label in labels if label.inner_html()]
        expect(f"chart `{title}`: axes are named", bool(units), True)


def check_figures(tab, metrics, freshness):
    for at, table in enumerate(filter(None, (metrics["evaluation"]["all_users"], metrics["evaluation"]["held_out"]))):
        measured = [exact(row["seen_allowed"]["recall"]["micro"]["value"]) for row in table["rows"]]
        expect(f"table {at}: recall", values(tab, f"[data-table='{at}']", "recall"), measured)
        unseen = [exact(row["seen_filtered"]["recall"]["micro"]["value"]) for row in table["rows"]]
        expect(f"table {at}: unseen recall", values(tab, f"[data-table='{at}']", "unseen"), unseen)
    for name in ("once", "daily", "realtime"):
        expect(f"freshness: {name}", values(tab, "[data-freshness]", name), [exact(row[name]["value"]) for row in freshness["rows"]])
    model = metrics["evaluation"]["all_users"]["rows"][0]
    pairs, recall = model["seen_allowed"]["n_pairs"], model["seen_allowed"]["recall"]["micro"]["value"]
    for groups in ("activity", "popularity"):
        where = f"[data-groups={groups}]"
        counted, recalls = values(tab, where, "pairs"), values(tab, where, "recall")
        expect(f"{groups}: pairs of all groups", int(sum(counted)), pairs)
        hits = sum(n * recall for n, recall in zip(counted, recalls))
        expect(f"{groups}: hits of all groups", round(hits), round(pairs * recall))
    points = tab.get_attribute("#chart-loss polyline", "points").split(" ")
    expect("points of the loss", len(points), len(metrics["training"]["curve"]))
    shown = tab.query_selector_all("[data-ablation=objectives] tbody tr")
    expect("ablations", [row.query_selector("th").inner_text() for row in shown], ["next action", "dense all action"])
    expect("example users", len(tab.query_selector_all("[data-user]")), 3)
    expect("nearest items of each", len(tab.query_selector_all("[data-near]")), 30)


def check_pictures(folder):
    found = {path.stem for path in folder.glob("*.svg")}
    expect("pictures", sorted(set(CHARTS) - found), [])
    for path in sorted(folder.glob("*.svg")):
        try:
            xml.etree.ElementTree.parse(path)
        except xml.etree.ElementTree.ParseError as error:
            faults.append(f"{path.name} is no XML: {error}")


def main(chromium, work, model, before, out):
    work, out = pathlib.Path(work), pathlib.Path(out).resolve()
    (metrics,) = [json.loads(path.read_text()) for path in (work / "bucket/evaluations" / model).glob("*/metrics.json")]
    published = json.loads((work / "bucket/checkpoints" / model / "metrics.json").read_text())
    metrics["training"] = published["training"]
    (freshness,) = [json.loads(path.read_text()) for path in (work / "trainer/evaluations").glob(f"{model}-*-freshness.json")]

    def look(tab):
        check_page(tab, [])
        check_figures(tab, metrics, freshness)

    with Browser(chromium, "file://", out) as browser:
        browser.open(out / "report.html", "report", status=None, look=look)
        browser.open(out / "report.html", "report", status=None, scheme="dark")
        browser.open(before, "before", status=None, look=lambda tab: check_page(tab, ["age", "ablations"]))
    check_pictures(out / "pictures")
    if faults:
        sys.exit("\n".join(["check.py: the report is wrong:", *faults]))
    print(f"the report is as its records say; it is in {out}, with screenshots")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
