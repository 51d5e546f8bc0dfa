//! Key Vault's times as people and programs read them: dates of the Gregorian calendar, in UTC.

/// Seconds of a day; a leap second is none of its own in seconds since 1970.
const DAY: u64 = 86_400;

/// `2024-05-01`, of seconds since 1970; `None` past the year 9999.
pub fn date(seconds: u64) -> Option<String> {
    let (year, month, day) = civil(seconds / DAY)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// `2024-05-01T12:00:00Z` (RFC 3339, whose years have four digits); `None` past those.
pub fn rfc3339(seconds: u64) -> Option<String> {
    let time = seconds % DAY;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    date(seconds).map(|date| format!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Year, month and day of a day since 1970-01-01.
///
/// In eras of 400 years that begin in March, so that a leap day is the last of its year (Howard
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
fn civil(days: u64) -> Option<(u64, u64, u64)> {
    let days = days.checked_add(719_468)?;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (year <= 9999).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `date -u -d @SECONDS +%FT%TZ` has them.
    #[test]
    fn seconds_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_078_012_800, "2004-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(text));
            assert_eq!(date(seconds).as_deref(), text.get(..10));
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = civil(0).unwrap();
        for day in 1..=DAY {
            let next = civil(day).unwrap();
            let (year, month, date) = next;
            let follows = match last {
                (y, m, d) if (y, m) == (year, month) => d + 1 == date,
                (y, 12, 31) => (y + 1, 1, 1) == next,
                (y, m, d) => (y, m + 1, 1) == next && d >= 28,
            };
            assert!(follows, "{last:?} {next:?}");
            last = next;
        }
    }

    #[test]
    fn times_that_no_calendar_has_are_none() {
        for seconds in [253_402_300_800, u64::MAX] {
            assert_eq!((date(seconds), rfc3339(seconds)), (None, None));
        }
    }
}
