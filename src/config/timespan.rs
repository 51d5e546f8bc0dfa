//! Time spans as systemd.time(7) writes them: `90`, `90s`, `2min`, `1min 30s`, `500ms`, `infinity`.
//!
//! Stricter than systemd in one place: a number without a unit must stand alone, because
//! `timeout=1 30` is more likely a slip than 31 seconds.

use std::time::Duration;

use super::line::{Fault, Value};
use crate::volume::Limit;

/// Microseconds of each unit, in all spellings of systemd.time(7), "Parsing Time Spans".
const UNITS: &[(u64, &[&str])] = &[
    (1, &["us", "usec", "\u{b5}s", "\u{3bc}s"]),
    (1_000, &["ms", "msec"]),
    (SECOND, &["s", "sec", "second", "seconds"]),
    (60 * SECOND, &["m", "min", "minute", "minutes"]),
    (3_600 * SECOND, &["h", "hr", "hour", "hours"]),
    (86_400 * SECOND, &["d", "day", "days"]),
    (604_800 * SECOND, &["w", "week", "weeks"]),
    (2_629_800 * SECOND, &["M", "month", "months"]),
    (31_557_600 * SECOND, &["y", "year", "years"]),
];

const SECOND: u64 = 1_000_000;

/// Parses a limit; `0` in any unit and `infinity` are no limit, as for crypttab(5)'s timeouts.
pub(super) fn parse(value: &Value) -> Result<Limit, Fault> {
    let text = value.as_str();
    if text == "infinity" {
        return Ok(Limit(None));
    }
    let mut total: u64 = 0;
    let mut at = skip(text, 0, |c| c == ' ');
    let first = at;
    while at < text.len() {
        let start = at;
        let digits = skip(text, at, |c| c.is_ascii_digit());
        let mut end = digits;
        if text.get(digits..).is_some_and(|rest| rest.starts_with('.')) {
            end = skip(text, digits + 1, |c| c.is_ascii_digit());
        }
        let number = text.get(start..end).unwrap_or_default();
        if !number.bytes().any(|b| b.is_ascii_digit()) {
            return Err(value.part(start..text.len(), "not a time; write 90, 90s or 2min"));
        }
        let unit_start = skip(text, end, |c| c == ' ');
        let unit_end = skip(text, unit_start, char::is_alphabetic);
        let unit = text.get(unit_start..unit_end).unwrap_or_default();
        let micros = match UNITS.iter().find(|(_, names)| names.contains(&unit)) {
            Some((micros, _)) => *micros,
            None if unit.is_empty() && start == first && unit_start == text.len() => SECOND,
            None if unit.is_empty() => {
                return Err(value.part(start..end, format!("{number} has no unit")));
            }
            None => {
                let message = format!("unknown unit of time {unit:?}");
                return Err(value.part(unit_start..unit_end, message));
            }
        };
        total = scaled(number, micros)
            .and_then(|micros| total.checked_add(micros))
            .ok_or_else(|| value.fault("too long a time"))?;
        at = skip(text, unit_end, |c| c == ' ');
    }
    if first == text.len() {
        return Err(value.fault("not a time; write 90, 90s or 2min"));
    }
    Ok(Limit((total > 0).then(|| Duration::from_micros(total))))
}

/// The first byte at or after `at` whose character is not `wanted`.
fn skip(text: &str, at: usize, wanted: impl Fn(char) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    text.len() - rest.trim_start_matches(wanted).len()
}

/// `number` (digits with at most one point) times `micros`; `None` when it does not fit.
fn scaled(number: &str, micros: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let mut total = whole.checked_mul(micros)?;
    let mut place = micros;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(place.checked_mul(u64::from(digit.wrapping_sub(b'0')))?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::line::Word;

    fn parsed(text: &str) -> Result<Limit, Fault> {
        parse(&Word { raw: text, column: 0 }.decode().unwrap())
    }

    #[test]
    fn spans_of_the_man_page() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("2min", 120_000),
            ("2 h", 7_200_000),
            ("1min 30s", 90_000),
            ("1min30s", 90_000),
            ("500ms", 500),
            ("5s500ms", 5_500),
            ("2.5", 2_500),
            (".7", 700),
            ("1.5min", 90_000),
            ("1y 12month", 63_115_200_000),
            ("55s500ms", 55_500),
            ("300ms20s 5day", 432_020_300),
            ("2M 1m", 5_259_660_000),
            (r"1min\04030s", 90_000),
        ] {
            let limit = Limit(Some(Duration::from_millis(millis)));
            assert_eq!(parsed(text), Ok(limit), "{text}");
        }
        assert_eq!(parsed("20\u{b5}s"), Ok(Limit(Some(Duration::from_micros(20)))));
    }

    #[test]
    fn zero_and_infinity_are_no_limit() {
        for text in ["0", "0s", "0min 0s", "infinity", "0.0"] {
            assert_eq!(parsed(text), Ok(Limit(None)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_marked() {
        for (text, column, length) in [
            ("soon", 0, 4),
            ("-5s", 0, 3),
            ("5sek", 1, 3),
            ("1min 30", 5, 2),
            ("90 30", 0, 2),
            ("1min,", 4, 1),
            (".", 0, 1),
            ("3.+1s", 0, 2),
            ("infinity infinity", 0, 17),
            ("99999999999999999999", 0, 20),
            ("18446744073709551615w", 0, 21),
            (" ", 0, 1),
            ("5S", 1, 1),
        ] {
            let fault = parsed(text).unwrap_err();
            assert_eq!((fault.column, fault.length), (column, length), "{text}: {}", fault.message);
        }
    }
}
