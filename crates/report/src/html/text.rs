//! Text of others, made harmless: what may stand in HTML and in XML, and does not push its surroundings about. What is
//! special in HTML is left to the templates, which escape everything.

/// Most characters of a text of others.
const MOST: usize = 120;

/// A text as it is shown: cut where it is long, without control characters and without those that turn the direction of
/// writing around.
pub(super) fn shown(text: &str) -> String {
    let mut shown = harmless(&text.chars().take(MOST).collect::<String>());
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// The whole of a text, without control characters and without those that turn the direction of writing around.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) { '\u{fffd}' } else { char }).collect()
}

fn is_harmful(char: char) -> bool {
    // XML has neither control characters nor U+FFFE and U+FFFF.
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(char, '\u{fffe}' | '\u{ffff}')
}

/// A text in lines of at most `width` characters, broken between words where that is possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let pieces: Vec<char> = word.chars().collect();
        for piece in pieces.chunks(width.max(1)) {
            let piece: String = piece.iter().collect();
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + piece.chars().count() <= width => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_or_turns_text_around_is_replaced() {
        assert_eq!(shown("a\u{0}b\nc\u{202e}d\u{ffff}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(shown("<b>Ä 好"), "<b>Ä 好", "the templates escape");
        assert_eq!(shown(&"x".repeat(121)), format!("{}…", "x".repeat(120)));
        assert_eq!(shown(&"x".repeat(120)), "x".repeat(120));
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert!(wrapped("", 4).is_empty());
    }
}
