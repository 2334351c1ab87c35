//! Findings: what the figures of a chart say, in a sentence. Nothing here is written down beforehand; a chart whose figures
//! turn around says so.

use crate::figure::{change, figure, percent, share};
use crate::{EmbeddingMap, Group, Interval, ScorerMetrics};

/// `Loss falls from 6.1 to 4.02 in 300 steps`.
pub(super) fn of_curve(name: &str, points: &[(u64, f64)]) -> String {
    let (Some(&(_, from)), Some(&(step, to))) = (points.first(), points.last()) else {
        return format!("{name} has no points");
    };
    let (from_text, to_text) = (figure(from), figure(to));
    if from_text == to_text {
        return format!("{name} stays at {to_text} over {step} steps");
    }
    format!("{name} {} from {from_text} to {to_text} in {step} steps", verb(from, to))
}

/// `Recall@10 falls 3.1 % in 14 days`, or that it hardly changes.
pub(super) fn of_age(what: &str, k: usize, ages: &[Interval]) -> String {
    let (Some(young), Some(old)) = (ages.first(), ages.last()) else {
        return format!("Recall@{k} by the age of {what} was not measured");
    };
    let days = ages.len() - 1;
    if young.value <= 0.0 {
        return format!(
            "Recall@{k} is {} after {days} days of age of {what}, and 0 without",
            share(old.value)
        );
    }
    let relative = old.value / young.value - 1.0;
    if is_inside(old.value, young) {
        return format!(
            "Recall@{k} hardly changes in {days} days of age of {what} ({}, inside its 95 % interval)",
            change(relative)
        );
    }
    let verb = verb(young.value, old.value);
    format!("Recall@{k} {verb} {} in {days} days of age of {what}", percent(relative.abs()))
}

/// `Recall@10 falls from 0.1204 for users of 1–14 actions to 0.0431 for those of 512–4,000`.
pub(super) fn of_activity(k: usize, groups: &[(String, &Group)]) -> String {
    let (Some((few, least)), Some((many, most))) = (groups.first(), groups.last()) else {
        return format!("No user has a pair to measure Recall@{k} with");
    };
    let (from, to) = (least.model, most.model);
    let verb = match (from.low > to.high, from.high < to.low) {
        (true, _) => "falls",
        (_, true) => "rises",
        _ => "differs by no more than its 95 % intervals,",
    };
    format!(
        "Recall@{k} {verb} from {} for users of {few} actions to {} for those of {many}",
        share(from.value),
        share(to.value)
    )
}

/// `The most popular tenth of the items has 43 % of the pairs and 71 % of the model's hits`.
pub(super) fn of_popularity(groups: &[Group]) -> String {
    let hits = |group: &Group| group.model.value * group.n_pairs as f64;
    let (pairs, all): (usize, f64) =
        groups.iter().fold((0, 0.0), |(pairs, all), group| (pairs + group.n_pairs, all + hits(group)));
    let Some(top) = groups.last().filter(|_| pairs > 0) else {
        return "No pair's item is of the catalogue".to_owned();
    };
    let part = match groups.len() {
        10 => "tenth".to_owned(),
        n => format!("of {n} parts"),
    };
    let of_pairs = percent(top.n_pairs as f64 / pairs as f64);
    if all <= 0.0 {
        return format!(
            "The most popular {part} of the items has {of_pairs} of the pairs; the model hits none"
        );
    }
    let of_hits = percent(hits(top) / all);
    format!(
        "The most popular {part} of the items has {of_pairs} of the pairs and {of_hits} of the model's hits"
    )
}

/// `The model finds 5.5 % in its top 10, place 4 of 15; own items with a trend finds 10 %`. The model comes first in
/// `rows`.
pub(super) fn of_scorers(rows: &[&ScorerMetrics]) -> String {
    let Some((model, others)) = rows.split_first() else { return "Nothing was measured".to_owned() };
    let recall = |row: &ScorerMetrics| row.seen_allowed.recall.micro.value;
    let (k, own) = (model.seen_allowed.recall.k, recall(model));
    let place = 1 + others.iter().filter(|row| recall(row) > own).count();
    let best = others.iter().max_by(|a, b| recall(a).total_cmp(&recall(b)));
    let best =
        best.map_or_else(String::new, |row| format!("; {} finds {}", row.scorer, percent(recall(row))));
    format!("The model finds {} in its top {k}, place {place} of {}{best}", percent(own), rows.len())
}

/// `Two of 64 directions hold 23 % of the spread; items of one interest have a cosine of 0.61, any two 0.12`.
pub(super) fn of_map(map: &EmbeddingMap) -> String {
    let spread =
        format!("Two of {} directions hold {} of the spread", map.dim, percent(map.variance.iter().sum()));
    match map.cosines {
        Some((same, any)) => {
            format!("{spread}; two items of one interest have a cosine of {same:.2}, any two {any:.2}")
        }
        None => spread,
    }
}

fn verb(from: f64, to: f64) -> &'static str {
    if to < from { "falls" } else { "rises" }
}

fn is_inside(value: f64, interval: &Interval) -> bool {
    interval.low <= value && value <= interval.high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, reach: f64) -> Interval {
        Interval { value, low: value - reach, high: value + reach }
    }

    #[test]
    fn curves_fall_rise_or_stay() {
        assert_eq!(of_curve("Loss", &[(1, 6.1), (300, 4.0)]), "Loss falls from 6.1 to 4 in 300 steps");
        assert_eq!(of_curve("Loss", &[(1, 2.0), (9, 2.5)]), "Loss rises from 2 to 2.5 in 9 steps");
        assert_eq!(of_curve("Loss", &[(1, 2.0), (9, 2.0)]), "Loss stays at 2 over 9 steps");
    }

    #[test]
    fn an_age_is_judged_by_the_interval() {
        let ages = |last: f64| [interval(0.1, 0.001), interval(0.5, 0.1), interval(last, 0.001)];
        let of = |last| of_age("users' embeddings", 10, &ages(last));
        assert_eq!(of(0.097), "Recall@10 falls 3.0 % in 2 days of age of users' embeddings");
        assert_eq!(of(0.15), "Recall@10 rises 50 % in 2 days of age of users' embeddings");
        let hardly = "Recall@10 hardly changes in 2 days of age of users' embeddings (-0.5 %, inside its 95 % interval)";
        assert_eq!(of(0.0995), hardly);
    }

    fn group(n_pairs: usize, value: f64) -> Group {
        let (model, baseline) = (interval(value, 0.01), Interval::default());
        Group { range: (1, 2), n_users: 3, n_pairs, model, baseline }
    }

    #[test]
    fn activity_is_compared_at_its_ends() {
        let (few, many) = (group(10, 0.2), group(10, 0.1));
        let groups = |first, last| [("1–2".to_owned(), first), ("3–9".to_owned(), last)];
        let falls = of_activity(10, &groups(&few, &many));
        assert_eq!(falls, "Recall@10 falls from 0.2000 for users of 1–2 actions to 0.1000 for those of 3–9");
        assert!(of_activity(10, &groups(&many, &few)).starts_with("Recall@10 rises from 0.1000"));
        assert!(of_activity(10, &groups(&few, &few)).contains("differs by no more"));
    }

    #[test]
    fn the_popular_tenth_has_its_share_of_pairs_and_hits() {
        // 60 of 100 pairs, and 0.2 * 60 = 12 of 12 + 0.1 * 40 = 16 hits.
        let mut groups = vec![group(0, 0.0); 8];
        groups.extend([group(40, 0.1), group(60, 0.2)]);
        let expected =
            "The most popular tenth of the items has 60 % of the pairs and 75 % of the model's hits";
        assert_eq!(of_popularity(&groups), expected);
        assert!(of_popularity(&[group(40, 0.0)]).ends_with("the model hits none"));
    }

    #[test]
    fn the_map_says_how_much_it_shows() {
        let map = EmbeddingMap {
            dim: 64,
            variance: [0.2, 0.1],
            cosines: Some((0.61, 0.12)),
            ..EmbeddingMap::default()
        };
        let expected = "Two of 64 directions hold 30 % of the spread; two items of one interest have a cosine of 0.61, any two 0.12";
        assert_eq!(of_map(&map), expected);
    }
}
