//! Every fault of a YAML value, where a deserializer stops at the first: note the fault, replace the faulty value, read
//! again.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::{Mapping, Number, Value};

use super::environment;

/// Maximum number of faults to report; it also bounds the search.
const MOST_FAULTS: usize = 32;

/// One step from a value into it.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The first fault that a deserializer finds.
#[derive(Debug, PartialEq)]
struct Fault {
    path: Vec<Step>,
    what: String,
}

/// Read `value` as `Raw`. With faults, `Raw` is what remains once each faulty value is replaced, by `shipped`'s where there
/// is one, so that later checks find the other faults; it must not be used for anything else.
pub(super) fn read<Raw: DeserializeOwned>(mut value: Value, shipped: &Value) -> (Option<Raw>, Vec<String>) {
    let mut faults = Vec::new();
    while faults.len() < MOST_FAULTS {
        let fault = match attempt::<Raw>(&value) {
            Ok(raw) => return (Some(raw), faults),
            Err(fault) => fault,
        };
        let is_gone =
            |changed: &Value| attempt::<Raw>(changed).err().is_none_or(|next| next.path != fault.path);
        if let Some(changed) = as_text(&value, &fault.path).filter(is_gone) {
            value = changed;
            continue;
        }
        let is_other = |changed: &Value| attempt::<Raw>(changed).err().as_ref() != Some(&fault);
        let replaced = replacements(&value, shipped, &fault).into_iter().find(is_other);
        faults.push(fault.sentence(&value));
        match replaced {
            Some(replaced) => value = replaced,
            None => break,
        }
    }
    (None, faults)
}

fn attempt<Raw: DeserializeOwned>(value: &Value) -> Result<Raw, Fault> {
    serde_path_to_error::deserialize(value.clone()).map_err(|error| {
        let path = error.path().iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        Fault { path: path.collect(), what: error.inner().to_string() }
    })
}

impl Fault {
    /// The fault as text, beginning with its key.
    fn sentence(&self, value: &Value) -> String {
        if let Some(field) = self.missing() {
            return format!("{}: is missing", show(&[&self.path[..], &[Step::Key(field)]].concat()));
        }
        let key = if self.path.is_empty() { "the whole".to_owned() } else { show(&self.path) };
        match (self.meant(value), find(value, &self.path)) {
            (Some(meant), _) => {
                format!("{key}: {}; did you mean {} ({})?", self.what, show(&meant), variable_of(&meant))
            }
            (None, Some(Value::Null)) => format!("{key}: has no value"),
            (None, _) => format!("{key}: {}", self.what),
        }
    }

    /// The setting that an unknown field such as `run_steps` was probably meant as: `run.steps`.
    fn meant(&self, value: &Value) -> Option<Vec<Step>> {
        let (Step::Key(field), parent) = self.path.split_last().filter(|_| self.is_unknown_field())? else {
            return None;
        };
        let siblings = find(value, parent)?.as_mapping()?;
        siblings.iter().find_map(|(section, settings)| {
            let section = section.as_str()?;
            let setting = field.strip_prefix(section)?.strip_prefix('_')?;
            settings.get(setting)?;
            Some([parent, &[Step::Key(section.to_owned()), Step::Key(setting.to_owned())]].concat())
        })
    }

    /// The field that serde says is missing from the value at the path.
    fn missing(&self) -> Option<String> {
        Some(self.what.strip_prefix("missing field `")?.split_once('`')?.0.to_owned())
    }

    fn is_unknown_field(&self) -> bool {
        self.what.starts_with("unknown field `")
    }
}

/// `value` without the fault, in several ways: the first that works is the best.
fn replacements(value: &Value, shipped: &Value, fault: &Fault) -> Vec<Value> {
    let mut path = fault.path.clone();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        value
    };
    if fault.is_unknown_field() {
        return vec![changed(&|value| remove(value, &path))];
    }
    path.extend(fault.missing().map(Step::Key));
    // A value inside a list or a map of the user's own has no shipped value; then its parent is replaced.
    let ancestors = (1..=path.len()).rev().map(|len| &path[..len]);
    let from_shipped = ancestors.filter_map(|path| Some((path, find(shipped, path)?.clone())));
    // A value that no file has: any that can be read.
    let stand_ins = [
        Value::String(String::new()),
        Value::Number(Number::from(1)),
        Value::Sequence(Vec::new()),
        Value::Mapping(Mapping::new()),
    ];
    let stand_ins = stand_ins.into_iter().map(|value| (&path[..], value));
    from_shipped.chain(stand_ins).map(|(path, new)| changed(&|value| put(value, path, new.clone()))).collect()
}

/// `value` with the number or the truth at `path` as text: an id `5` and a column `true` need no quotes.
fn as_text(value: &Value, path: &[Step]) -> Option<Value> {
    let text = match find(value, path)? {
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    let mut value = value.clone();
    put(&mut value, path, Value::String(text));
    Some(value)
}

/// The environment's variable for the setting at a path.
fn variable_of(path: &[Step]) -> String {
    environment::name_of(&show(path))
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
        && let Some(mapping) = find_mut(value, parent).and_then(Value::as_mapping_mut)
    {
        mapping.insert(Value::from(key.as_str()), replacement);
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    if let Some((Step::Key(key), parent)) = path.split_last()
        && let Some(mapping) = find_mut(value, parent).and_then(Value::as_mapping_mut)
    {
        mapping.remove(key.as_str());
    }
}
