//! What is on the page, and what may never be.

use dayvec_report::{ExperimentPage, Interval, Missing};

use crate::sample::{HOSTILE, experiment, interval};

fn check_has(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "{part} is missing");
    }
}

/// The text of others as it must be on the page.
const HARMLESS: &str =
    "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;\u{fffd}\u{fffd}]]&#62;--&#62;";

#[test]
fn texts_of_others_are_harmless_everywhere() {
    let page = experiment();
    let html = page.render();
    // As a scorer, a column, a row, an interest of the map, a user, an action, a neighbour, and in the command.
    assert!(html.matches(HARMLESS).count() > 8, "{}", html.matches(HARMLESS).count());
    let pictures = page.pictures();
    for text in pictures.iter().map(|picture| &picture.svg).chain([&html]) {
        for part in ["<script", HOSTILE, "\u{0}", "\u{202e}"] {
            assert!(!text.contains(part), "{part:?} got through");
        }
    }
}

#[test]
fn the_page_fetches_nothing_and_runs_nothing() {
    let html = experiment().render();
    for part in ["http://", "https://", "src=", "@import", "url("] {
        let found = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(part), "{part} is on the page");
    }
    assert_eq!(html.matches("href=\"").count(), html.matches("href=\"#").count() + 1, "links lead out");
    check_has(&html, &["<link rel=\"icon\" href=\"data:,\">"]);
}

#[test]
fn figures_are_those_of_the_records() {
    let page = experiment();
    let html = page.render();
    for row in &page.report.evaluation.all_users.rows {
        let exact = row.seen_allowed.recall.micro.value.to_string();
        check_has(&html, &[&format!("data-field=\"recall\" data-value=\"{exact}\"")]);
    }
    let Ok(freshness) = &page.freshness else { panic!() };
    let realtime = freshness.rows[0].realtime.value;
    check_has(&html, &[&format!("data-field=\"realtime\" data-value=\"{realtime}\"")]);
    for part in [
        "paper 0.229",
        "paper 1.97",
        "paper 0.042",
        "paper 0.026",
        "paper 0.243",
        "paper 0.264",
        "paper -8.0 %",
    ] {
        check_has(&html, &[part]);
    }
    check_has(
        &html,
        &["0.0345 ± 0.0007", "paper 0.186", "c794f5a6164264b0", "75fa6d9", "seed 1", "2026-01-02T03:04:05Z"],
    );
}

#[test]
fn titles_are_computed() {
    let titles = |page: &ExperimentPage| {
        let html = page.render();
        let captions = html.split("<figcaption>").skip(1);
        captions.map(|rest| rest.split_once("</figcaption>").unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    let mut page = experiment();
    let expected = [
        "The model finds 5.5 % in its top 10, place 2 of 4; own items with a trend finds 10 %",
        "Loss falls from 7.1 to 4.02 in 300 steps",
        "Learning rate falls from 0.0006 to 0 in 300 steps",
        "Recall@10 falls from 0.0900 for users of 1–14 actions to 0.0400 for those of 81–5,000",
        "The most popular tenth of the items has 20 % of the pairs and 28 % of the model&#39;s hits",
        "Recall@10 falls 14 % in 14 days of age of users&#39; embeddings",
        "Recall@10 falls 35 % in 14 days of age of the items&#39; side of popularity of 7 days",
        "Two of 64 directions hold 23 % of the spread; two items of one interest have a cosine of 0.61, any two 0.12",
    ];
    assert_eq!(titles(&page), expected);
    // Other figures, other titles.
    page.groups.by_activity[2].model = interval(0.2);
    if let Ok(freshness) = &mut page.freshness {
        freshness.rows[0].by_user_age_days[14] = Interval { value: 0.06, low: 0.059, high: 0.061 };
    }
    let turned = titles(&page);
    assert!(turned[3].starts_with("Recall@10 rises from 0.0900"), "{}", turned[3]);
    assert_eq!(turned[5], "Recall@10 rises 20 % in 14 days of age of users&#39; embeddings");
}

#[test]
fn what_is_missing_is_named_with_its_command() {
    let missing =
        |what: &str| Missing { what: format!("No {what}."), command: format!("trainer {what} {HOSTILE}") };
    let page = ExperimentPage {
        baselines_missing: Some(missing("evaluate")),
        curves: Err(missing("train")),
        freshness: Err(missing("freshness")),
        ablations: Err(missing("ablate")),
        unfinished: vec![missing("again")],
        ..experiment()
    };
    let html = page.render();
    for what in ["evaluate", "train", "freshness", "ablate", "again"] {
        check_has(&html, &[&format!("data-missing>No {what}.<code>trainer {what} &#60;script")]);
    }
    for section in ["tables", "training", "groups", "age", "ablations", "map", "users"] {
        check_has(&html, &[&format!("<section id=\"{section}\""), &format!("href=\"#{section}\"")]);
    }
    assert_eq!(page.pictures().len(), 4, "scorers, activity, popularity, map");
}

#[test]
fn every_chart_has_units_and_stands_alone() {
    let page = experiment();
    let names: Vec<&str> = page.pictures().iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["scorers", "loss", "training-2", "activity", "popularity", "age", "item-age", "map"]);
    for picture in page.pictures() {
        check_has(&picture.svg, &["<svg xmlns=", "class=\"title\"", "<style>", "fill=\"#ffffff\"", "</svg>"]);
        assert!(picture.svg.len() < 100_000, "{} is {} bytes", picture.name, picture.svg.len());
        let units = ["(share of pairs)", "(nats)", "(days)", "length 1"];
        assert!(units.iter().any(|unit| picture.svg.contains(unit)), "{} has no unit", picture.name);
        assert!(!picture.svg.contains("<circle") || !picture.svg.contains("<title>"), "names of single dots");
    }
}
