//! Configuration: a YAML file, or the shipped default, then `DAYVEC__SECTION__KEY` from the environment, then checks.
//!
//! A program has two types: `Raw`, which mirrors the file (`#[serde(deny_unknown_fields)]`), and `Config`, which the
//! program uses, made by `TryFrom<Raw, Error = Vec<String>>` with every fault in one list. [`load`] tells the faults of
//! both steps together, one a line, so that an operator mends them in one go. Relative paths are relative to the
//! working directory, as on a command line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use serde_yaml::Value;

mod environment;
mod faults;
mod values;

pub use values::{duration, parse_url};

/// A configuration that can't be used. The caller exits with [`crate::Exit::BadConfig`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text is no YAML mapping.
    #[error("{name} is not YAML: {message}")]
    NotYaml {
        /// The file, or "the shipped configuration".
        name: String,
        /// What the YAML reader says, with line and column.
        message: String,
    },
    /// Values are wrong or missing: all of them. The name tells the environment's variables over the file as well.
    #[error("{name} has {} fault{}:\n  - {}", faults.len(), if faults.len() == 1 { "" } else { "s" }, faults.join("\n  - "))]
    Faults {
        /// The file, or "the shipped configuration".
        name: String,
        /// One sentence a fault, beginning with the key.
        faults: Vec<String>,
    },
}

/// Read `file`, or `shipped_default_yaml` where there is none; apply the environment; check.
///
/// The file stands alone: what it leaves out is what `Raw` says by `#[serde(default)]`, not what the shipped file says.
///
/// # Errors
/// [`ConfigError::Faults`] holds every fault that was found, not only the first.
pub fn load<Raw, C>(file: Option<&Path>, shipped_default_yaml: &str) -> Result<C, ConfigError>
where
    Raw: DeserializeOwned,
    C: TryFrom<Raw, Error = Vec<String>>,
{
    let (name, text) = match file {
        None => ("the shipped configuration".to_owned(), shipped_default_yaml.to_owned()),
        Some(path) => {
            let read = std::fs::read_to_string(path);
            let read = read.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source });
            (path.display().to_string(), read?)
        }
    };
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let source = Source { name, text, shipped: shipped_default_yaml };
    parse::<Raw, C>(source, variables)
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
    let text = to_yaml(raw);
    let source = Source {
        name: "the configuration with these settings".to_owned(),
        text: text.clone(),
        shipped: &text,
    };
    parse::<Raw, C>(source, settings.iter().map(|(name, value)| (environment::name_of(name), value.clone())))
}

/// What [`parse`] reads.
struct Source<'a> {
    name: String,
    text: String,
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
    let mut value: Value = match serde_yaml::from_str(&text) {
        Ok(value) => value,
        Err(error) => return Err(ConfigError::NotYaml { name, message: error.to_string() }),
    };
    let variables: Vec<(String, String)> = variables.collect();
    let misspelt: Vec<String> = variables
        .iter()
        .map(|(name, _)| name)
        .filter(|name| environment::is_misspelt(name))
        .cloned()
        .collect();
    let variables = environment::apply(&mut value, variables);
    // The shipped file only mends a faulty value here, so that the search for further faults can go on.
    let shipped = serde_yaml::from_str(shipped).unwrap_or_default();
    let (raw, mut faults) = faults::read::<Raw>(value, &shipped);
    let misspelt = misspelt.iter();
    faults.extend(
        misspelt.map(|name| format!("{name}: a setting's variable begins with two underscores, DAYVEC__")),
    );
    match raw.map(C::try_from) {
        Some(Ok(config)) if faults.is_empty() => return Ok(config),
        Some(Err(more)) => faults.extend(more),
        _ => {}
    }
    let name = if variables.is_empty() { name } else { format!("{name} (under {})", variables.join(", ")) };
    Err(ConfigError::Faults { name, faults })
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

    const SHIPPED: &str = "bucket: ./bucket\nlimits:\n  keys: 100\n  wait: 30s\nlisten: [a, b]\n";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        bucket: String,
        limits: RawLimits,
        #[serde(default)]
        listen: Vec<String>,
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

    fn check(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let source = Source { name: "test.yaml".into(), text: text.into(), shipped: SHIPPED };
        parse::<Raw, Config>(source, variables.iter().map(|&(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config =
            check(SHIPPED, &[("DAYVEC__LIMITS__KEYS", "7"), ("OTHER", "x"), ("DAYVEC__LISTEN", "[c]")]);
        let Config(raw) = config.unwrap();
        assert_eq!((raw.limits.keys, raw.limits.wait.as_secs(), raw.listen), (7, 30, vec!["c".to_owned()]));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "bucket: ''\nbuckte: x\nlimits:\n  keys: many\n  wiat: 1\n  wait: soon\n";
        let message = check(text, &[("DAYVEC__LISTEN__X", "1")]).unwrap_err().to_string();
        for fault in [
            "buckte",
            "limits.keys",
            "limits.wiat",
            "limits.wait: `soon` is not",
            "bucket: say where",
            "listen",
        ] {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
        assert!(message.starts_with("test.yaml (under DAYVEC__LISTEN__X) has 6 faults:"), "{message}");
    }

    #[test]
    fn a_missing_value_and_a_typo_in_the_environment_are_faults() {
        let message = check("limits: {keys: 0}", &[("DAYVEC__LIMITS__KEYZ", "7")]).unwrap_err().to_string();
        for fault in
            ["limits.keyz", "limits: missing field `wait`", "missing field `bucket`", "limits.keys: must"]
        {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
    }

    #[test]
    fn one_underscore_too_few_is_a_fault_and_no_silence() {
        let message = check(SHIPPED, &[("DAYVEC_LIMITS__KEYS", "7")]).unwrap_err().to_string();
        assert!(message.contains("DAYVEC_LIMITS__KEYS: a setting's variable begins with two"), "{message}");
        check(SHIPPED, &[("DAYVEC_SHARDS", "7"), ("DAYVEC_TOKEN", "a__b")]).unwrap();
    }

    #[test]
    fn text_that_is_no_yaml_says_where() {
        let message = check("a: [1", &[]).unwrap_err().to_string();
        assert!(message.contains("test.yaml is not YAML") && message.contains("line"), "{message}");
        let missing = load::<Raw, Config>(Some(Path::new("/no/such/file.yaml")), SHIPPED).unwrap_err();
        assert!(missing.to_string().contains("/no/such/file.yaml"), "{missing}");
    }
}
