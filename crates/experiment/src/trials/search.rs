//! Which settings to try next: one setting at a time, from the best so far.
//!
//! Coordinate search: the settings take turns in the order of the file; each of their values is tried with the others at
//! their best so far, and the best stays. It ends when a whole round of turns has changed nothing. What is tried is a
//! function of the figures alone, so a search that was interrupted repeats its way through the trials that are done.

use std::collections::BTreeMap;

/// A setting by its dotted name, and the values to try, as YAML texts.
pub(crate) type Choices = Vec<(String, Vec<String>)>;
/// Settings by dotted name; what is not in it is as configured.
pub(crate) type Settings = BTreeMap<String, String>;

/// Search from `start`. `score` gives the figure of some settings, higher is better, or `None` to end the search; it is
/// called once for each. Returns the best settings and their figure; `None` when not even `start` was scored.
///
/// # Errors
/// Those of `score`.
pub(crate) fn search<E>(
    choices: &Choices,
    score: &mut dyn FnMut(&Settings) -> Result<Option<f64>, E>,
) -> Result<Option<(Settings, f64)>, E> {
    let mut known: BTreeMap<Settings, f64> = BTreeMap::new();
    let mut score = |settings: &Settings| -> Result<Option<f64>, E> {
        if let Some(&figure) = known.get(settings) {
            return Ok(Some(figure));
        }
        let figure = score(settings)?;
        known.extend(figure.map(|figure| (settings.clone(), figure)));
        Ok(figure)
    };
    let Some(first) = score(&Settings::new())? else { return Ok(None) };
    let mut best = (Settings::new(), first);
    loop {
        let before = best.0.clone();
        for (name, values) in choices {
            for value in values {
                let mut settings = best.0.clone();
                settings.insert(name.clone(), value.clone());
                let Some(figure) = score(&settings)? else { return Ok(Some(best)) };
                if figure > best.1 {
                    best = (settings, figure);
                }
            }
        }
        if best.0 == before {
            return Ok(Some(best));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Choices {
        let values = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        vec![("a".to_owned(), values(&["0", "1", "2"])), ("b".to_owned(), values(&["0", "1", "2"]))]
    }

    fn number(settings: &Settings, name: &str) -> f64 {
        settings.get(name).map_or(0.0, |text| text.parse().unwrap())
    }

    #[test]
    fn it_climbs_until_a_round_changes_nothing_and_tries_nothing_twice() {
        let mut tried = Vec::new();
        // The best b depends on a, so that one round is not enough.
        let (best, figure) = search::<()>(&choices(), &mut |settings| {
            tried.push(settings.clone());
            let (a, b) = (number(settings, "a"), number(settings, "b"));
            Ok(Some(1.5 * b - (a - b).powi(2)))
        })
        .unwrap()
        .unwrap();
        assert_eq!((number(&best, "a"), number(&best, "b"), figure), (2.0, 2.0, 3.0));
        let n_tried = tried.len();
        tried.sort();
        tried.dedup();
        assert_eq!(tried.len(), n_tried);
    }

    #[test]
    fn it_ends_when_there_is_no_more_time_with_the_best_so_far() {
        let mut left = 3;
        let found = search::<()>(&choices(), &mut |settings| {
            left -= 1;
            Ok((left >= 0).then(|| number(settings, "a")))
        });
        let (best, figure) = found.unwrap().unwrap();
        assert_eq!((number(&best, "a"), figure), (1.0, 1.0));
        assert_eq!(search::<()>(&choices(), &mut |_| Ok(None)), Ok(None));
        assert_eq!(search(&choices(), &mut |_| Err("no log")), Err("no log"));
    }
}
