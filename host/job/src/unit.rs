//! Quantities with units: points in time, spans and sizes, and their text forms.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct UnitError {
    /// The text, cut to a printable length.
    pub value: String,
    /// What would be right, with an example.
    pub expected: &'static str,
}

fn unit_error(value: &str, expected: &'static str) -> UnitError {
    UnitError { value: value.chars().take(60).collect(), expected }
}

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

impl UnixMs {
    /// The point `span` later, at the end of time where it would pass it.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The span from `earlier` to here; zero where that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with milliseconds, as the broker's schedules take it.
    pub fn to_rfc3339(self) -> String {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) => format!("{time:.3}"),
            Err(_) => format!("{:.3}", jiff::Timestamp::MAX),
        }
    }

    /// Reads RFC 3339.
    pub fn from_rfc3339(text: &str) -> Result<Self, UnitError> {
        const EXPECTED: &str = "a time such as 2026-11-23T18:30:00Z";
        let time: jiff::Timestamp = text.parse().map_err(|_| unit_error(text, EXPECTED))?;
        u64::try_from(time.as_millisecond()).map(Self).map_err(|_| unit_error(text, EXPECTED))
    }
}

const SPAN_EXPECTED: &str = "a duration such as 250ms, 30s, 5m, 2h or 1d";
const SPAN_AT_MOST: &str = "a duration of 3650d (ten years) at most";
const SPAN_UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
/// The longest span that is read: ten years. Longer ones are typing errors, and sums of them overflow.
const SPAN_MS_MAX: u64 = 3_650 * 86_400_000;

/// Reads a span such as `90s`, `1h30m` or `250ms`. A number without a unit is refused: the reader of a
/// configuration should not have to guess.
pub fn parse_span(text: &str) -> Result<Duration, UnitError> {
    let bad = || unit_error(text, SPAN_EXPECTED);
    let long = || unit_error(text, SPAN_AT_MOST);
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| if number.is_empty() { bad() } else { long() })?;
        total = number.checked_mul(*scale).and_then(|ms| total.checked_add(ms)).ok_or_else(long)?;
        rest = tail;
    }
    if total > SPAN_MS_MAX { Err(long()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a span so that [`parse_span`] reads it back, in milliseconds at the finest.
pub fn format_span(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    for (unit, scale) in SPAN_UNITS.iter().rev().filter(|(unit, _)| *unit != "w") {
        if ms.is_multiple_of(*scale) && (ms >= *scale) {
            return format!("{}{unit}", ms / scale);
        }
    }
    format!("{ms}ms")
}

const SIZE_EXPECTED: &str = "a size such as 512KiB, 64MiB or 1GiB";
const SIZE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A size in bytes, written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `count` binary megabytes.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// `count` binary kilobytes.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// The size as a memory length on this machine.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || unit_error(text, SIZE_EXPECTED);
        let trimmed = text.trim();
        let (number, scale) = SIZE_UNITS
            .iter()
            .find_map(|(unit, scale)| trimmed.strip_suffix(unit).map(|number| (number.trim_end(), *scale)))
            .unwrap_or((trimmed, 1));
        let number: u64 = number.parse().map_err(|_| bad())?;
        number.checked_mul(scale).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in SIZE_UNITS.iter().take(3) {
            if self.0 >= *scale && self.0.is_multiple_of(*scale) {
                return f.pad(&format!("{}{unit}", self.0 / scale));
            }
        }
        f.pad(&format!("{}B", self.0))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Serialises a [`Duration`] as text, for `#[serde(with = "unit::span")]`.
pub mod span {
    use super::{format_span, parse_span};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Writes the span as text.
    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_span(*span))
    }

    /// Reads the span from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse_span(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Serialises an optional [`Duration`] as text, for `#[serde(with = "unit::span_option")]`.
pub mod span_option {
    use super::{format_span, parse_span};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Writes the span as text, or null.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => serializer.serialize_some(&format_span(*span)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the span from text, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| parse_span(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_with_units_only() {
        assert_eq!(parse_span("1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_span("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_span("3650d").unwrap(), Duration::from_millis(SPAN_MS_MAX));
        for long in ["3651d", "99999999999999999999d", "9999999999999999999w"] {
            assert!(parse_span(long).unwrap_err().to_string().contains("at most"), "{long}");
        }
        for none in ["-5s", "d", "5", "5x"] {
            assert!(parse_span(none).unwrap_err().to_string().contains("such as"), "{none}");
        }
        assert_eq!(parse_span("0s").unwrap(), Duration::ZERO);
        for bad in ["", "5", "-1s", "1.5s", "s", "1x", "99999999999999999999s", "4000d", "1h30", "१s"] {
            parse_span(bad).unwrap_err();
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!("64MiB".parse::<ByteSize>().unwrap(), ByteSize::mib(64));
        assert_eq!("1000".parse::<ByteSize>().unwrap(), ByteSize(1000));
        assert_eq!(ByteSize::mib(64).to_string(), "64MiB");
        for bad in ["", "MiB", "-1", "1.5GiB", "1TiB", "99999999999GiB"] {
            bad.parse::<ByteSize>().unwrap_err();
        }
    }

    #[test]
    fn times_round_trip_through_rfc3339() {
        let time = UnixMs::from_rfc3339("2026-11-23T18:30:00.125Z").unwrap();
        assert_eq!(time.to_rfc3339(), "2026-11-23T18:30:00.125Z");
        assert_eq!(UnixMs::from_rfc3339("2026-11-23T19:30:00+01:00").unwrap().0 % 1000, 0);
        for bad in ["", "now", "2026-11-23", "1900-01-01T00:00:00Z"] {
            UnixMs::from_rfc3339(bad).unwrap_err();
        }
        assert!(UnixMs(u64::MAX).to_rfc3339().starts_with("9999-"));
    }

    proptest! {
        #[test]
        fn every_written_span_reads_back(ms in 0..SPAN_MS_MAX) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(parse_span(&format_span(span)).unwrap(), span);
        }

        #[test]
        fn every_written_size_reads_back(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse::<ByteSize>().unwrap(), ByteSize(bytes));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_span(&text);
            let _ = text.parse::<ByteSize>();
            let _ = UnixMs::from_rfc3339(&text);
        }
    }
}
