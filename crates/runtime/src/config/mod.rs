//! Configuration: the shipped YAML, a user's YAML over it, `DAYVEC__SECTION__KEY` from the environment over both, then
//! checks.
//!
//! The shipped file *is* the defaults, so a user's file needs only what differs: maps are merged; lists, scalars and
//! values with a YAML tag are replaced. A map with a `name` is a choice and its settings: another name replaces the
//! map. A program has two types: `Raw`, which mirrors the file (`#[serde(deny_unknown_fields)]`, no defaults), and
//! `Config`, which the program uses, made by `TryFrom<Raw, Error = Vec<String>>` with every fault in one list. [`load`]
//! reports the faults of both steps together, one a line, so that an operator fixes them in one go. Relative paths are
//! relative to the working directory, as on a command line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use serde_yaml::{Mapping, Value};

mod environment;
mod faults;
mod values;

pub use values::duration;

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The text is not YAML.
    #[error("{name} is not YAML: {message}")]
    NotYaml { name: String, message: String },
    /// Values are wrong or missing: all of them. The name includes the environment's variables that replace values.
    #[error("{name} has {} fault{}:\n  - {}", faults.len(), if faults.len() == 1 { "" } else { "s" }, faults.join("\n  - "))]
    Faults { name: String, faults: Vec<String> },
}

/// A user's file, read once: a pipe can't be read again.
#[derive(Debug, Clone)]
pub struct UserFile {
    /// Its name in messages.
    name: String,
    text: String,
}

impl UserFile {
    /// Read a file; without one, nothing differs from what is shipped.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`].
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Ok(Self { name: SHIPPED.to_owned(), text: String::new() }) };
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self { name: path.display().to_string(), text })
    }
}

/// Read `shipped_yaml`, `file` over it, and the environment over both; check.
///
/// # Errors
/// [`ConfigError::Faults`] holds every fault that was found, not only the first.
pub fn load<Raw, C>(file: Option<&Path>, shipped_yaml: &str) -> Result<C, ConfigError>
where
    Raw: DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    load_over::<Raw, C>(&UserFile::read(file)?, shipped_yaml)
}

/// [`load`] for a file that was read before.
///
/// # Errors
/// [`ConfigError::Faults`], as [`load`].
pub fn load_over<Raw, C>(file: &UserFile, shipped_yaml: &str) -> Result<C, ConfigError>
where
    Raw: DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    let UserFile { name, text } = file.clone();
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    parse::<Raw, C>(Source { name, text, shipped: shipped_yaml }, variables)
}

/// A configuration with some settings replaced, by dotted name (`run.steps`); values are YAML, as in the environment.
///
/// # Errors
/// [`ConfigError::Faults`], as [`load`].
pub fn replace<Raw, C>(raw: &Raw, settings: &BTreeMap<String, String>) -> Result<C, ConfigError>
where
    Raw: Serialize + DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    let name = "the configuration with these settings".to_owned();
    let source = Source { name, text: String::new(), shipped: &to_yaml(raw) };
    parse::<Raw, C>(source, settings.iter().map(|(name, value)| (environment::name_of(name), value.clone())))
}

/// A configuration with `above` over it, as a user's file is put over the shipped one; `name` says in messages what
/// `above` is.
///
/// # Errors
/// [`ConfigError::Faults`], as [`load`].
pub fn overlaid<Raw, C>(raw: &Raw, name: &str, above: &Mapping) -> Result<C, ConfigError>
where
    Raw: Serialize + DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    let source = Source { name: name.to_owned(), text: to_yaml(above), shipped: &to_yaml(raw) };
    parse::<Raw, C>(source, std::iter::empty())
}

/// The name of the shipped file in messages.
const SHIPPED: &str = "the shipped configuration";

/// Input of [`parse`].
struct Source<'a> {
    /// The name of the user's file in messages.
    name: String,
    /// Its text.
    text: String,
    /// The text below it.
    shipped: &'a str,
}

fn parse<Raw, C>(
    source: Source<'_>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<C, ConfigError>
where
    Raw: DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    let Source { name, text, shipped } = source;
    let yaml = |name: &str, text: &str| {
        serde_yaml::from_str::<Value>(text)
            .map_err(|error| ConfigError::NotYaml { name: name.to_owned(), message: error.to_string() })
    };
    let shipped = yaml(SHIPPED, shipped)?;
    let mut value = shipped.clone();
    overlay(&mut value, yaml(&name, &text)?);
    let variables: Vec<(String, String)> = variables.collect();
    let misspelt: Vec<String> = variables
        .iter()
        .map(|(name, _)| name)
        .filter(|name| environment::is_misspelt(name))
        .map(|name| format!("{name}: a setting's variable begins with two underscores, DAYVEC__"))
        .collect();
    for (variable, setting) in environment::unread(&value, &variables) {
        tracing::warn!(
            variable,
            "this variable of the environment is not read; that of the setting {setting} is {}",
            environment::name_of(&setting)
        );
    }
    let environment::Applied { names: variables, faults: empty } = environment::apply(&mut value, variables);
    let (raw, mut faults) = faults::read::<Raw>(value, &shipped);
    faults.extend(empty);
    faults.extend(misspelt);
    match raw.map(C::try_from) {
        Some(Ok(config)) if faults.is_empty() => return Ok(config),
        Some(Err(more)) => {
            // A value that stood in for a faulty one may be refused as well; its fault is in the list already.
            let key = |fault: &String| fault.split(':').next().map(str::to_owned);
            let known: Vec<_> = faults.iter().map(key).collect();
            faults.extend(more.into_iter().filter(|fault| !known.contains(&key(fault))));
        }
        _ => {}
    }
    let name = match variables.is_empty() {
        true => name,
        false => format!("{name}, with {} from the environment,", variables.join(", ")),
    };
    Err(ConfigError::Faults { name, faults })
}

/// Put `above` over `below`: maps are merged, anything else is replaced. An empty file changes nothing.
fn overlay(below: &mut Value, above: Value) {
    let is_empty_file = above.is_null() && below.is_mapping();
    if !is_empty_file {
        merge(below, above);
    }
}

fn merge(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Mapping(below), Value::Mapping(above)) if !is_other_choice(below, &above) => {
            for (key, value) in above {
                match below.get_mut(&key) {
                    Some(place) => merge(place, value),
                    None => {
                        below.insert(key, value);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// Whether two maps choose differently by their `name`: the settings of one mean nothing to the other.
fn is_other_choice(below: &Mapping, above: &Mapping) -> bool {
    match (below.get("name"), above.get("name")) {
        (Some(below), Some(above)) => below != above,
        _ => false,
    }
}

/// Log a resolved configuration, once, in one line.
pub fn log<T: Serialize>(config: &T) {
    let as_json = serde_json::to_string(config).unwrap_or_else(|error| format!("can't be written: {error}"));
    tracing::info!(config = %as_json, "configuration");
}

/// A value as YAML text: how a configuration is shown and saved.
#[must_use]
pub fn to_yaml<T: Serialize>(value: &T) -> String {
    serde_yaml::to_string(value).unwrap_or_else(|error| format!("# can't be written as YAML: {error}\n"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const SHIPPED: &str = "\
bucket: ./bucket
limits: {keys: 100, wait: 30s}
listen: [a, b]
model: !large {width: 8, heads: 2}
secret: null
";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        bucket: String,
        limits: RawLimits,
        listen: Vec<String>,
        model: Model,
        secret: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Model {
        Small { width: u32 },
        Large { width: u32, heads: u32 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawLimits {
        keys: u32,
        #[serde(with = "duration")]
        wait: std::time::Duration,
    }

    #[derive(Debug)]
    struct Config(Raw);

    impl TryFrom<Raw> for Config {
        type Error = Vec<String>;
        fn try_from(raw: Raw) -> Result<Self, Vec<String>> {
            let mut faults = Vec::new();
            if raw.limits.keys == 0 {
                faults.push("limits.keys: must be at least 1".to_owned());
            }
            if raw.bucket.is_empty() {
                faults.push("bucket: say where the bucket is".to_owned());
            }
            if faults.is_empty() { Ok(Self(raw)) } else { Err(faults) }
        }
    }

    #[derive(Debug, Deserialize)]
    struct RawChoice {
        choice: Mapping,
    }

    #[derive(Debug)]
    struct Choice(Mapping);

    impl TryFrom<RawChoice> for Choice {
        type Error = Vec<String>;
        fn try_from(raw: RawChoice) -> Result<Self, Vec<String>> {
            Ok(Self(raw.choice))
        }
    }

    fn check(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let source = Source { name: "test.yaml".into(), text: text.into(), shipped: SHIPPED };
        parse::<Raw, Config>(source, variables.iter().map(|&(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn a_file_goes_over_the_shipped_one_and_the_environment_over_both() {
        let text = "limits: {wait: 5s}\nlisten: [c]\nmodel: !small {width: 4}\nsecret: x\n";
        let Config(raw) = check(text, &[("DAYVEC__LIMITS__WAIT", "7s"), ("OTHER", "x")]).unwrap();
        assert_eq!((raw.bucket.as_str(), raw.limits.keys, raw.limits.wait.as_secs()), ("./bucket", 100, 7));
        assert_eq!((raw.listen, raw.model), (vec!["c".to_owned()], Model::Small { width: 4 }));
        let Config(raw) = check("", &[("DAYVEC__SECRET", "x"), ("DAYVEC__MODEL__WIDTH", "9")]).unwrap();
        assert_eq!((raw.listen.len(), raw.model), (2, Model::Large { width: 9, heads: 2 }));
    }

    #[test]
    fn a_value_without_default_must_be_given() {
        let message = check("limits: {keys: 0}", &[]).unwrap_err().to_string();
        for fault in ["test.yaml has 2 faults", "secret: has no value", "limits.keys: must be"] {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
        let missing = check("secret: x\nmodel: !small {}\nlimits: {keys: x}", &[]).unwrap_err().to_string();
        for fault in ["model.width: is missing", "limits.keys: invalid type"] {
            assert!(missing.contains(fault), "{fault} is missing from\n{missing}");
        }
    }

    #[test]
    fn numbers_are_text_where_text_is_wanted() {
        let Config(raw) = check("secret: 5\nlisten: [1, true]\nbucket: 2.5", &[]).unwrap();
        assert_eq!((raw.secret.as_str(), raw.bucket.as_str()), ("5", "2.5"));
        assert_eq!(raw.listen, ["1", "true"]);
        let message = check("secret: x\nlimits: {keys: true, wait: 30}", &[]).unwrap_err().to_string();
        for fault in [
            "limits.keys: invalid type: boolean",
            "limits.wait: invalid type: integer `30`, expected a duration",
        ] {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let text = "bucket: ''\nbuckte: x\nsecret: x\nlimits:\n  keys: many\n  wiat: 1\n  wait: soon\n";
        let message = check(text, &[("DAYVEC__LISTEN__X", "1"), ("DAYVEC__LIMITS__KEYZ", "7")]);
        let message = message.unwrap_err().to_string();
        for fault in [
            "buckte: unknown field",
            "limits.keys: invalid type",
            "limits.wiat: unknown field",
            "limits.keyz: unknown field",
            "limits.wait: `soon` is not",
            "bucket: say where",
            "listen: invalid type",
        ] {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
        let head =
            "test.yaml, with DAYVEC__LIMITS__KEYZ, DAYVEC__LISTEN__X from the environment, has 7 faults:";
        assert!(message.starts_with(head), "{message}");
    }

    #[test]
    fn one_underscore_too_few_is_a_fault() {
        let message = check("secret: x", &[("DAYVEC_LIMITS__KEYS", "7")]).unwrap_err().to_string();
        assert!(message.contains("DAYVEC_LIMITS__KEYS: a setting's variable begins with two"), "{message}");
        check("secret: x", &[("DAYVEC_SHARDS", "7"), ("DAYVEC_TOKEN", "a__b")]).unwrap();
        let message = check("secret: x", &[("DAYVEC__LIMITS_KEYS", "7")]).unwrap_err().to_string();
        assert!(message.contains("limits_keys: unknown field"), "{message}");
        assert!(message.contains("did you mean limits.keys (DAYVEC__LIMITS__KEYS)?"), "{message}");
    }

    #[test]
    fn another_name_replaces_the_settings_of_the_one_before() {
        let shipped = "choice: {name: a, x: 1, y: 2}";
        let read = |text: &str, variables: &[(&str, &str)]| {
            let source = Source { name: "test.yaml".into(), text: text.into(), shipped };
            let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
            parse::<RawChoice, Choice>(source, variables).unwrap().0
        };
        let map = |text: &str| serde_yaml::from_str::<Mapping>(text).unwrap();
        assert_eq!(read("choice: {y: 3}", &[]), map("{name: a, x: 1, y: 3}"));
        assert_eq!(read("choice: {name: a, y: 3}", &[]), map("{name: a, x: 1, y: 3}"));
        assert_eq!(read("choice: {name: b, z: 4}", &[]), map("{name: b, z: 4}"));
        let of_environment = [("DAYVEC__CHOICE__A", "5"), ("DAYVEC__CHOICE__NAME", "b")];
        assert_eq!(read("choice: {y: 3}", &of_environment), map("{name: b, a: 5}"));
        assert_eq!(read("", &[("DAYVEC__CHOICE__NAME", "a")]), map("{name: a, x: 1, y: 2}"));
    }

    #[test]
    fn text_that_is_not_yaml_says_where() {
        let message = check("a: [1", &[]).unwrap_err().to_string();
        assert!(message.contains("test.yaml is not YAML") && message.contains("line"), "{message}");
        let missing = load::<Raw, Config>(Some(Path::new("/no/such/file.yaml")), SHIPPED).unwrap_err();
        assert!(missing.to_string().contains("/no/such/file.yaml"), "{missing}");
    }
}
