//! `DAYVEC__SECTION__KEY=value` over a configuration: names are lowercased, values are YAML.

use serde_yaml::{Mapping, Value};

const PREFIX: &str = "DAYVEC__";
/// A variable with this prefix and a double underscore further on was probably meant to begin with [`PREFIX`]. Other
/// variables with this prefix are not settings, for example `DAYVEC_SHARDS`.
const NEARLY: &str = "DAYVEC_";

/// The variable of a setting with this dotted name.
pub(super) fn name_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_uppercase())
}

/// Whether a variable was probably meant as a setting, but lacks an underscore.
pub(super) fn is_misspelt(name: &str) -> bool {
    !name.starts_with(PREFIX) && name.strip_prefix(NEARLY).is_some_and(|rest| rest.contains("__"))
}

/// Write every variable of ours over `config`; a key that does not exist is added, for the reader to refuse.
/// Returns the names of these variables, sorted.
///
/// A `name` comes before what it names the settings of, and another one than before drops these, as in a file.
pub(super) fn apply(config: &mut Value, variables: Vec<(String, String)>) -> Vec<String> {
    let mut ours: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort_by_cached_key(|(name, _)| (!name.ends_with("__NAME"), name.clone()));
    let mut names = Vec::with_capacity(ours.len());
    for (name, text) in ours {
        let parsed = serde_yaml::from_str(&text).unwrap_or(Value::String(text));
        let path = name[PREFIX.len()..].to_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        set(config, &keys, parsed);
        names.push(name);
    }
    names.sort();
    names
}

fn set(config: &mut Value, keys: &[&str], value: Value) {
    let Some((key, rest)) = keys.split_first() else {
        *config = value;
        return;
    };
    if !config.is_mapping() {
        *config = Value::Mapping(Mapping::new());
    }
    if let Some(mapping) = config.as_mapping_mut() {
        if *key == "name" && rest.is_empty() && mapping.get("name").is_some_and(|name| *name != value) {
            mapping.clear();
        }
        set(mapping.entry(Value::from(*key)).or_insert(Value::Null), rest, value);
    }
}
