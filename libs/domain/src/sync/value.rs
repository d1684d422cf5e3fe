//! When two values are the same to a CRM.

use std::fmt;

/// SHA-256 (or a keyed hash) of a normalised value. Made outside: this crate has no cryptography.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueHash(pub [u8; 32]);

impl fmt::Debug for ValueHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// The form in which values are compared and hashed: trimmed, numbers as canonical decimals, booleans in lower
/// case, RFC 3339 times as milliseconds since the epoch; nothing at all is the empty text.
///
/// A text of digits with leading zeros is an identifier, not a number.
pub fn norm(value: &str) -> String {
    let text = value.trim();
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return text.to_ascii_lowercase();
    }
    decimal(text).or_else(|| instant_ms(text).map(|ms| ms.to_string())).unwrap_or_else(|| text.to_owned())
}

fn decimal(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_identifier = whole.len() > 1 && whole.starts_with('0');
    if !is_number(whole) || !is_number(fraction) || is_identifier {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (_, "") => format!("{sign}{whole}"),
        (_, _) => format!("{sign}{whole}.{fraction}"),
    })
}

/// Milliseconds since the epoch of `2026-01-31T23:59:59.123+02:00`; finer fractions are cut off.
fn instant_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape_fits = bytes.len() >= 20
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, sign)| bytes[*at] == *sign);
    if !shape_fits || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    let (hour, minute, second) = (number(text, 11, 13)?, number(text, 14, 16)?, number(text, 17, 19)?);
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !in_range {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let millis = fraction_ms(rest.get(..zone_at)?)?;
    let offset_s = offset_s(rest.get(zone_at..)?)?;
    let seconds =
        days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s;
    Some(seconds * 1_000 + millis)
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let digits = text.get(from..to)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn fraction_ms(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix('.')?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded: String = digits.chars().chain("000".chars()).take(3).collect();
    all_digits.then(|| padded.parse().ok())?
}

fn offset_s(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let shape_fits = zone.len() == 6 && zone.get(3..4) == Some(":");
    shape_fits.then_some(())?;
    Some(sign * (number(zone, 1, 3)? * 3_600 + number(zone, 4, 6)? * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March so that leap days come last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_a_crm_calls_equal_are_equal() {
        for (one, other) in [
            (" signed ", "signed"),
            ("TRUE", "true"),
            ("10.50", "10.5"),
            ("-0.0", "0"),
            ("42.0", "42"),
            ("2026-01-01T00:00:00Z", "1767225600000"),
            ("2026-01-01T02:00:00.000+02:00", "2026-01-01T00:00:00Z"),
            ("", "   "),
        ] {
            assert_eq!(norm(one), norm(other), "{one} and {other}");
        }
    }

    #[test]
    fn values_a_person_tells_apart_are_not_equal() {
        for (one, other) in [
            ("007", "7"),
            ("signed", "Signed"),
            ("1.5", "1.05"),
            ("-1", "1"),
            ("2026-01-01", "2026-01-02"),
            ("2026-13-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            assert_ne!(norm(one), norm(other), "{one} and {other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in "\\PC{0,40}|[0-9TZ:.+-]{0,30}") {
            proptest::prop_assert_eq!(norm(&norm(&text)), norm(&text));
        }
    }
}
