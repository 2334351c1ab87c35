//! Where item features are: `items/<items_version>/items.parquet`, the version a digest of their content.

/// Folder of the item features.
pub const ITEMS: &str = "items";
/// The table.
pub const TABLE: &str = "items.parquet";

/// Key of the item features of a version.
#[must_use]
pub fn key(items_version: &str) -> String {
    format!("{ITEMS}/{items_version}/{TABLE}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_key_is_as_documented() {
        assert_eq!(super::key("0123"), "items/0123/items.parquet");
    }
}
