//! `DAYVEC__SECTION__KEY=value` over a configuration: names are lowercased, values are YAML.

use serde_yaml::{Mapping, Value};

const PREFIX: &str = "DAYVEC__";
/// A variable with this prefix and a double underscore further on was probably meant to begin with [`PREFIX`]. Other
/// variables with this prefix are not settings, for example `DAYVEC_SHARDS`.
const NEARLY: &str = "DAYVEC_";

/// How YAML writes that a setting has no value.
const NULLS: [&str; 4] = ["null", "Null", "NULL", "~"];

/// The variable of a setting with this dotted name.
pub(super) fn name_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_uppercase())
}

/// Whether a variable was probably meant as a setting, but lacks an underscore.
pub(super) fn is_misspelt(name: &str) -> bool {
    !name.starts_with(PREFIX) && name.strip_prefix(NEARLY).is_some_and(|rest| rest.contains("__"))
}

/// Variables that spell a setting of `config`, but for underscores or case, with that setting: `DAYVEC_RUN_STEPS`,
/// `dayvec__run__steps`. They may be another program's, as `DAYVEC_BUCKET` is of docker-compose.yml.
pub(super) fn unread(config: &Value, variables: &[(String, String)]) -> Vec<(String, String)> {
    let words = |name: &str| name.to_lowercase().replace("__", "_");
    let mut settings = Vec::new();
    collect(config, "", &mut settings);
    let spelt = |name: &str| {
        let rest = words(name);
        let rest = rest.strip_prefix("dayvec_")?;
        settings.iter().find(|setting| setting.replace('.', "_") == rest)
    };
    let candidates = variables.iter().filter(|(name, _)| !name.starts_with(PREFIX) && !is_misspelt(name));
    candidates.filter_map(|(name, _)| Some((name.clone(), spelt(name)?.clone()))).collect()
}

/// The dotted names of all settings and sections of a map.
fn collect(config: &Value, prefix: &str, into: &mut Vec<String>) {
    for (key, value) in config.as_mapping().into_iter().flatten() {
        let Some(key) = key.as_str() else { continue };
        let name = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        collect(value, &name, into);
        into.push(name);
    }
}

/// What the variables did to a configuration.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Applied {
    /// The variables that are settings, sorted.
    pub(super) names: Vec<String>,
    /// Those that hold nothing, with what to write instead: they are not applied.
    pub(super) faults: Vec<String>,
}

/// Write every variable of ours over `config`; a key that does not exist is added, for the reader to refuse.
///
/// A `name` comes before what it names the settings of, and another one than before drops these, as in a file.
///
/// A variable that holds nothing is a fault: a template left it behind, and what it stood for is unknown. As YAML it
/// would be a null, which opens what a file of tokens closes. Who means null writes it.
pub(super) fn apply(config: &mut Value, variables: Vec<(String, String)>) -> Applied {
    let mut ours: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort_by_cached_key(|(name, _)| (!name.ends_with("__NAME"), name.clone()));
    let mut applied = Applied::default();
    for (name, text) in ours {
        let path = name[PREFIX.len()..].to_lowercase();
        let parsed = serde_yaml::from_str(&text).unwrap_or(Value::String(text.clone()));
        if parsed.is_null() && !NULLS.contains(&text.trim()) {
            let setting = path.replace("__", ".");
            applied.faults.push(format!("{setting}: {name} is empty; unset it, or write null to go without"));
        } else {
            let keys: Vec<&str> = path.split("__").collect();
            set(config, &keys, parsed);
        }
        applied.names.push(name);
    }
    applied.names.sort();
    applied.faults.sort();
    applied
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_without_a_value_changes_nothing_and_is_a_fault() {
        let shipped: Value = serde_yaml::from_str("tokens_file: ./tokens\nrun: {steps: 3}\n").unwrap();
        for nothing in ["", " ", "\n", "# ./tokens", "---"] {
            for (name, setting) in
                [("TOKENS_FILE", "tokens_file"), ("RUN__STEPS", "run.steps"), ("RUN", "run")]
            {
                let mut config = shipped.clone();
                let name = format!("DAYVEC__{name}");
                let applied = apply(&mut config, vec![(name.clone(), nothing.to_owned())]);
                assert_eq!(config, shipped, "{nothing:?}");
                let expected = format!("{setting}: {name} is empty; unset it, or write null to go without");
                assert_eq!(applied, Applied { names: vec![name], faults: vec![expected] });
            }
        }
        for null in NULLS {
            let mut config = shipped.clone();
            let applied = apply(&mut config, vec![("DAYVEC__TOKENS_FILE".to_owned(), null.to_owned())]);
            assert!(config["tokens_file"].is_null() && applied.faults.is_empty(), "{null}");
        }
    }

    #[test]
    fn variables_that_nearly_spell_a_setting_are_found() {
        let config = serde_yaml::from_str("bucket: ./b\nrun: {steps: 3, checkpoint_steps: 5}\n").unwrap();
        let variables = [
            "DAYVEC_BUCKET",
            "DAYVEC_RUN_CHECKPOINT_STEPS",
            "dayvec__run__steps",
            "DAYVEC__RUN__STEPS", // right
            "DAYVEC_RUN__STEPS",  // a fault of its own
            "DAYVEC_TOKEN",
            "BUCKET",
        ]
        .map(|name| (name.to_owned(), String::new()));
        let found = unread(&config, &variables);
        let found: Vec<_> = found.iter().map(|(name, setting)| (name.as_str(), setting.as_str())).collect();
        assert_eq!(
            found,
            [
                ("DAYVEC_BUCKET", "bucket"),
                ("DAYVEC_RUN_CHECKPOINT_STEPS", "run.checkpoint_steps"),
                ("dayvec__run__steps", "run.steps"),
            ]
        );
    }
}
