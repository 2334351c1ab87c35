//! Text that others wrote, on its way to a terminal: names, reasons, messages of a service.
//!
//! A terminal obeys control characters: they clear the screen, change what was printed before, or set its title. So none of
//! them is printed as it is.

use std::borrow::Cow;

/// The text in one line, with what a terminal would obey written as `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    escaped_but(text, |_| false)
}

/// The same, with line breaks as they are: for a message that may have several lines.
#[must_use]
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, |c| c == '\n')
}

fn escaped_but(text: &str, is_fine: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_obeyed = |c: char| (c.is_control() || turns(c)) && !is_fine(c);
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_obeyed(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    Cow::Owned(plain)
}

/// Whether a character changes the direction of what follows, so that a line reads other than it is.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, expected) in [
            ("ranking", "ranking"),
            ("naïve → 猫", "naïve → 猫"),
            ("\u{1b}[2Jroot\nrun 9", "\\u{1b}[2Jroot\\nrun 9"),
            ("a\rb\u{9b}31m\u{7f}", "a\\rb\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped_lines("one\n\ttwo\u{7}"), "one\n\\ttwo\\u{7}");
    }
}
