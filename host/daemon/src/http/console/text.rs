//! Figures, spans and states in words for people.

use jiff::Timestamp;
use lovage_job::outcome::{OutcomeKind, Tally};
use lovage_job::unit::UnixMs;
use std::time::Duration;

/// A time in UTC to the second.
pub fn stamp(at: UnixMs) -> String {
    let time = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}

/// How long ago, or how long until.
pub fn ago(at: UnixMs, now: UnixMs) -> String {
    match (now.0.saturating_sub(at.0), at.0.saturating_sub(now.0)) {
        (0..1_000, 0..1_000) => "now".to_owned(),
        (0, until) => format!("in {}", span(Duration::from_millis(until))),
        (past, _) => format!("{} ago", span(Duration::from_millis(past))),
    }
}

/// A span with one unit.
pub fn span(span: Duration) -> String {
    let micros = span.as_micros();
    let seconds = span.as_secs();
    match seconds {
        _ if micros < 1_000 => format!("{micros} µs"),
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span of microseconds.
pub fn micros(us: u64) -> String {
    span(Duration::from_micros(us))
}

/// A size.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = size as f64;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or("B");
    while left >= 1024.0 {
        let Some(next) = units.next() else { break };
        (left, unit) = (left / 1024.0, next);
    }
    if left < 10.0 && unit != "B" { format!("{left:.1} {unit}") } else { format!("{left:.0} {unit}") }
}

/// A count with its thousands apart.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Fuel, which comes in large numbers.
pub fn fuel(fuel: u64) -> String {
    match fuel {
        0..10_000 => count(fuel),
        10_000..1_000_000 => format!("{} k", fuel / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} M", fuel as f64 / 1e6),
        _ => format!("{:.1} G", fuel as f64 / 1e9),
    }
}

/// A share in per cent.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    if share > 0.0 && share < 10.0 { format!("{share:.1} %") } else { format!("{share:.0} %") }
}

/// The class of an outcome's mark.
pub fn class_of(outcome: OutcomeKind) -> &'static str {
    match outcome.tally() {
        Tally::Completed => "ok",
        Tally::Failed => "bad",
        Tally::Other => "warn",
    }
}

/// What templates use of this.
pub mod filters {
    use super::UnixMs;
    use askama::{Result, Values, filter_fn};

    /// A time in UTC.
    #[filter_fn]
    pub fn stamp(at: &UnixMs, _: &dyn Values) -> Result<String> {
        Ok(super::stamp(*at))
    }

    /// How long ago.
    #[filter_fn]
    pub fn ago(at: &UnixMs, _: &dyn Values, now: &UnixMs) -> Result<String> {
        Ok(super::ago(*at, *now))
    }

    /// A size.
    #[filter_fn]
    pub fn bytes(size: &u64, _: &dyn Values) -> Result<String> {
        Ok(super::bytes(*size))
    }

    /// A count.
    #[filter_fn]
    pub fn count(count: &u64, _: &dyn Values) -> Result<String> {
        Ok(super::count(*count))
    }

    /// Fuel.
    #[filter_fn]
    pub fn fuel(fuel: &u64, _: &dyn Values) -> Result<String> {
        Ok(super::fuel(*fuel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!(
            [bytes(0), bytes(1_023), bytes(1_536), bytes(u64::MAX)],
            ["0 B", "1023 B", "1.5 KiB", "16777216 TiB"]
        );
        assert_eq!([count(0), count(999), count(1_000_000)], ["0", "999", "1\u{202f}000\u{202f}000"]);
        assert_eq!([fuel(9_999), fuel(25_000), fuel(2_500_000)], ["9\u{202f}999", "25 k", "2.5 M"]);
        assert_eq!([share(0, 0), share(1, 300), share(1, 2)], ["–", "0.3 %", "50 %"]);
        assert_eq!(
            [micros(12), micros(1_500), micros(1_500_000), micros(u64::MAX)].map(|text| text.len() < 16),
            [true; 4]
        );
    }

    #[test]
    fn times_are_told_from_now() {
        let now = UnixMs(1_000_000);
        assert_eq!(ago(UnixMs(999_500), now), "now");
        assert_eq!(ago(UnixMs(995_000), now), "5.0 s ago");
        assert_eq!(ago(UnixMs(1_060_000), now), "in 60 s");
        assert_eq!(stamp(UnixMs(0)), "1970-01-01 00:00:00Z");
        assert_eq!(stamp(UnixMs(u64::MAX)), "");
    }
}
