//! Every fault of a YAML value, where a deserializer stops at the first: note the fault, mend it, read again.

use serde::de::DeserializeOwned;
use serde_yaml::Value;

/// More faults than anybody reads at once; also what ends the search.
const MOST_FAULTS: usize = 32;

/// One step from a value into it.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Read `value` as `Raw`. With faults, `Raw` is what remains once each faulty value is replaced by `shipped`'s, so
/// that later checks find the other faults; it must not be used for anything else.
pub(super) fn read<Raw: DeserializeOwned>(mut value: Value, shipped: &Value) -> (Option<Raw>, Vec<String>) {
    let mut faults = Vec::new();
    while faults.len() < MOST_FAULTS {
        // Through text, because only the text reader knows the path of what it refuses.
        let text = serde_yaml::to_string(&value).unwrap_or_default();
        let error = match serde_yaml::from_str::<Raw>(&text) {
            Ok(raw) => return (Some(raw), faults),
            Err(error) => error.to_string(),
        };
        let before = value.clone();
        faults.push(mend(&mut value, shipped, &error));
        if value == before {
            break;
        }
    }
    (None, faults)
}

/// Undo one fault in `value`; returns the sentence that tells it.
fn mend(value: &mut Value, shipped: &Value, error: &str) -> String {
    // The line is one of the text above, not of the user's file; the path says more.
    let message = error.split(" at line ").next().unwrap_or(error);
    let (mut path, what) = split_path(message);
    if let Some(field) = quoted(what, "unknown field `") {
        if path.last() != Some(&Step::Key(field.clone())) {
            path.push(Step::Key(field));
        }
        let fault = format!("{}: {what}", show(&path));
        remove(value, &path);
        return fault;
    }
    let fault = if path.is_empty() { what.to_owned() } else { format!("{}: {what}", show(&path)) };
    if let Some(field) = quoted(what, "missing field `") {
        path.push(Step::Key(field));
    }
    // A value inside a list or a map of the user's own has no shipped value; then its parent is replaced.
    while find(shipped, &path).is_none() && !path.is_empty() {
        path.pop();
    }
    if let Some(replacement) = find(shipped, &path) {
        put(value, &path, replacement.clone());
    }
    fault
}

/// `a.b[0]: text` → path and text.
fn split_path(message: &str) -> (Vec<Step>, &str) {
    let Some((path, what)) = message.split_once(": ") else { return (Vec::new(), message) };
    if path.is_empty() || path.contains([' ', '`', '?']) {
        return (Vec::new(), message);
    }
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().filter(|key| !key.is_empty()).map(|key| Step::Key(key.to_owned())));
        steps.extend(pieces.filter_map(|index| index.trim_end_matches(']').parse().ok().map(Step::Index)));
    }
    (steps, what)
}

fn show(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

fn quoted(what: &str, before: &str) -> Option<String> {
    Some(what.strip_prefix(before)?.split_once('`')?.0.to_owned())
}

fn find<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key.as_str()),
        Step::Index(index) => value.get(*index),
    })
}

fn find_mut<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    })
}

fn put(value: &mut Value, path: &[Step], replacement: Value) {
    if let Some(place) = find_mut(value, path) {
        *place = replacement;
    } else if let Some((Step::Key(key), parent)) = path.split_last()
        && let Some(Value::Mapping(mapping)) = find_mut(value, parent)
    {
        mapping.insert(Value::from(key.as_str()), replacement);
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    if let Some((Step::Key(key), parent)) = path.split_last()
        && let Some(Value::Mapping(mapping)) = find_mut(value, parent)
    {
        mapping.remove(key.as_str());
    }
}
