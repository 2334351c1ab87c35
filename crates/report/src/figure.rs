//! Numbers as text for people: the same in every page that shows them.

/// A whole number with thousands separators.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Four significant digits, without trailing zeros.
#[must_use]
pub fn figure(number: f64) -> String {
    if !number.is_finite() {
        return "not a number".to_owned();
    }
    let magnitude = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    let decimals = usize::try_from((3 - magnitude).clamp(0, 9)).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A share, always with four decimals, so that a column of them lines up.
#[must_use]
pub fn share(value: f64) -> String {
    format!("{value:.4}")
}

/// A share or a change as per cent, with a decimal where it is below a tenth: `3.1 %`, `42 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent.abs() < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A change with its sign and a decimal: `+3.1 %`.
pub(crate) fn change(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let figures = [0.0, 1.0, 0.041_234_5, 1234.567, 0.5, -2.0, f64::NAN].map(figure);
        assert_eq!(figures, ["0", "1", "0.04123", "1235", "0.5", "-2", "not a number"]);
        assert_eq!([0.031, 0.0, 0.42, -0.031].map(percent), ["3.1 %", "0.0 %", "42 %", "-3.1 %"]);
        assert_eq!([0.031, -0.5].map(change), ["+3.1 %", "-50.0 %"]);
    }
}
