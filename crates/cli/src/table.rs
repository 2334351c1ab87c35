//! Rows of text, lined up.

use dayvec_runtime::terminal::escaped;

/// Columns as wide as their widest cell. Cells may hold what others wrote: it is escaped.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| std::array::from_fn(|column| escaped(&row[column]).into_owned())).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "b".to_owned()], ["long".to_owned(), "→".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  →\n");
    }

    #[test]
    fn a_cell_is_one_line_that_no_terminal_obeys() {
        let rows = [["\u{1b}[2Jroot\nrun 9".to_owned(), "x".to_owned()]];
        assert_eq!(table(&rows), "\\u{1b}[2Jroot\\nrun 9  x\n");
    }
}
