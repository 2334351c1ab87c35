//! Values that a configuration writes as text: durations ("30s").

/// Serde for [`std::time::Duration`] written as "30s", "5m", "1h 30m": `#[serde(with = "config::duration")]`.
pub mod duration {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Write a duration.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    /// Read a duration.
    ///
    /// # Errors
    /// When the text is not a duration with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_str(FromText)
    }

    /// A visitor, so that a number without a unit is refused with the same hint.
    struct FromText;

    impl Visitor<'_> for FromText {
        type Value = Duration;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a duration like 500ms, 30s or 5m")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text).map_err(|error| {
                E::custom(format!("`{text}` is not a duration ({error}); write it like 500ms, 30s or 5m"))
            })
        }
    }
}
