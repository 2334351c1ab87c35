//! `DAYVEC__SECTION__KEY=value` over a configuration: names are lowercased, values are YAML.

use serde_yaml::{Mapping, Value};

const PREFIX: &str = "DAYVEC__";

/// Write every variable of ours over `config`; a key that does not exist is added, for the reader to refuse.
pub(super) fn apply(config: &mut Value, variables: impl Iterator<Item = (String, String)>) {
    let mut ours: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_lowercase(), value)))
        .collect();
    ours.sort();
    for (path, text) in ours {
        let parsed = serde_yaml::from_str(&text).unwrap_or(Value::String(text));
        let keys: Vec<&str> = path.split("__").collect();
        set(config, &keys, parsed);
    }
}

fn set(config: &mut Value, keys: &[&str], value: Value) {
    let Some((key, rest)) = keys.split_first() else {
        *config = value;
        return;
    };
    if !config.is_mapping() {
        *config = Value::Mapping(Mapping::new());
    }
    if let Value::Mapping(mapping) = config {
        set(mapping.entry(Value::from(*key)).or_insert(Value::Null), rest, value);
    }
}
