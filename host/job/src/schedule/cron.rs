//! Cron rules in a time zone. The library knows the fields; what daylight saving does to a fixed time is decided here,
//! because the library takes `0 2,14 * * *` for an interval and would run it twice where an hour comes twice.

use super::{ScheduleError, shown, zone};
use crate::unit::UnixMs;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

/// The longest expression, in bytes.
const EXPRESSION_LENGTH_MAX: usize = 200;
/// Names of expressions.
const NICKNAMES: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// No clock goes back by more than this.
const RECENTLY: SignedDuration = SignedDuration::from_hours(3);

/// A cron expression in a zone, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    cron: Cron,
    zone: TimeZone,
    fixed: bool,
}

/// Reads an expression of five fields, six with seconds in front, or a nickname such as `@daily`.
pub(super) fn rule(expression: &str, zone: &str) -> Result<Rule, ScheduleError> {
    let bad = |reason: String| ScheduleError::Cron { expression: shown(expression), reason };
    let zone = zone::find(zone)?;
    if expression.len() > EXPRESSION_LENGTH_MAX {
        return Err(bad(format!("it is longer than {EXPRESSION_LENGTH_MAX} bytes")));
    }
    let fields: Vec<&str> = expression.split_whitespace().collect();
    match fields.as_slice() {
        [nickname] if nickname.starts_with('@') => {
            if !NICKNAMES.contains(&nickname.to_lowercase().as_str()) {
                return Err(bad(format!("{nickname} is not a name of an expression")));
            }
        }
        fields if fields.len() == 5 || fields.len() == 6 => {}
        fields => return Err(bad(format!("it has {} fields, and needs 5, or 6 with seconds in front", fields.len()))),
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = parser.parse(expression).map_err(|error| bad(plain(&error.to_string())))?;
    let rule = Rule { fixed: is_fixed(&fields), cron, zone };
    match rule.after(UnixMs(0)) {
        Some(_) => Ok(rule),
        None => Err(ScheduleError::Never(shown(expression))),
    }
}

/// The library's words without its names.
fn plain(error: &str) -> String {
    let text = error.trim_end_matches('.');
    let text = ["Invalid pattern: ", "Component error: ", "Pattern contains "]
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    text.to_owned()
}

/// Whether hour and minute are named. A nickname stands for fixed times, but for `@hourly`.
fn is_fixed(fields: &[&str]) -> bool {
    let named = |field: Option<&&str>| field.is_some_and(|field| !field.contains(['*', '/', '?']));
    match fields {
        [nickname] => !nickname.eq_ignore_ascii_case("@hourly"),
        fields => {
            let minute = fields.len().saturating_sub(5);
            named(fields.get(minute)) && named(fields.get(minute + 1))
        }
    }
}

impl Rule {
    /// The first tick after a time.
    pub(super) fn after(&self, time: UnixMs) -> Option<UnixMs> {
        let zoned = self.zoned(time)?;
        if !self.fixed {
            // the library looks at whole seconds
            return unix(self.cron.find_next_occurrence(&zoned, false).ok()?.timestamp()).filter(|tick| *tick > time);
        }
        let mut civil = zoned.datetime();
        loop {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            let tick = self.moment(civil)?;
            if tick > time {
                return Some(tick);
            }
        }
    }

    /// The last tick at or before a time.
    pub(super) fn until(&self, time: UnixMs) -> Option<UnixMs> {
        let zoned = self.zoned(time)?;
        if !self.fixed {
            return unix(self.cron.find_previous_occurrence(&zoned, true).ok()?.timestamp());
        }
        // where the clock went back a moment ago, ticks that are past may have a later time on the wall
        let changed = self.zone.preceding(zoned.timestamp()).next().map(|change| change.timestamp());
        let recently = changed.is_some_and(|changed| zoned.timestamp().duration_since(changed) < RECENTLY);
        let slack = if recently { RECENTLY } else { SignedDuration::from_secs(1) };
        let mut civil = zoned.datetime().checked_add(slack).ok()?;
        loop {
            civil = self.cron.find_previous_occurrence(&civil, false).ok()?;
            let tick = self.moment(civil)?;
            if tick <= time {
                return Some(tick);
            }
        }
    }

    /// A time as the clock on the wall shows it. No schedule looks further back than the epoch.
    fn zoned(&self, time: UnixMs) -> Option<Zoned> {
        let time = Timestamp::from_millisecond(i64::try_from(time.0).ok()?).ok()?;
        Some(Timestamp::from_second(time.as_second()).ok()?.to_zoned(self.zone.clone()))
    }

    /// The moment of a time on the wall: the first of two, and the first after a gap.
    fn moment(&self, civil: DateTime) -> Option<UnixMs> {
        let found = self.zone.to_ambiguous_timestamp(civil);
        let gap = matches!(found.offset(), AmbiguousOffset::Gap { .. });
        let earlier = found.earlier().ok()?;
        match gap {
            false => unix(earlier),
            // read with the offset of after the gap, a time in it lies before it
            true => unix(self.zone.following(earlier).next()?.timestamp()),
        }
    }
}

fn unix(time: Timestamp) -> Option<UnixMs> {
    u64::try_from(time.as_millisecond()).ok().map(UnixMs)
}
