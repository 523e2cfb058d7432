//! Which ticks of a schedule must be with the broker now.

use super::policy::earliest;
use super::{Late, Missed, ScheduleRecord, Timing, late};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far ahead ticks are planned.
pub const HORIZON: Duration = Duration::from_secs(30);
/// The most ticks of one plan; the rest comes with the next one.
const TICKS_MAX: usize = 200;

/// Up to where a schedule is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which definition of the schedule was planned: see [`ScheduleRecord::since`].
    pub since: UnixMs,
    /// Every tick up to here is with the broker, or was decided not to be run.
    pub upto: UnixMs,
}

/// What is to be done for a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// These ticks go to the broker, in this order.
    pub ticks: Vec<UnixMs>,
    /// Then the cursor moves here.
    pub cursor: Cursor,
    /// Whether more ticks are due than fit in one plan.
    pub more: bool,
}

/// Plans a schedule at the time `now`; nothing where nothing is to be done. Ticks from the cursor on that were missed
/// follow the policy; of those to come, all within the horizon are planned and always the next one.
pub fn plan(record: &ScheduleRecord, timing: &Timing, cursor: Option<Cursor>, now: UnixMs) -> Option<Plan> {
    if record.paused {
        return None;
    }
    let known = cursor.filter(|cursor| cursor.since == record.since);
    let upto = known.map_or(record.since, |cursor| cursor.upto);
    let until = now.after(HORIZON);
    let (mut ticks, mut last, mut more) = (Vec::new(), upto, false);
    let mut next = timing.after(begin(record, timing, upto, now));
    while let Some(tick) = next {
        // one tick to come is always planned, however far away
        if tick > until && last > now {
            break;
        }
        if ticks.len() == TICKS_MAX {
            more = true;
            break;
        }
        if tick > now || late_of(record, timing, tick, now) == Late::Run {
            ticks.push(tick);
        }
        last = tick;
        next = timing.after(tick);
    }
    let cursor = Cursor { since: record.since, upto: last };
    (known != Some(cursor)).then_some(Plan { ticks, cursor, more })
}

fn late_of(record: &ScheduleRecord, timing: &Timing, tick: UnixMs, now: UnixMs) -> Late {
    late(timing, record.missed, record.deadline, tick, now)
}

/// Where to begin to look: an outage may have cost more ticks than anyone wants to count.
fn begin(record: &ScheduleRecord, timing: &Timing, upto: UnixMs, now: UnixMs) -> UnixMs {
    let on_time = UnixMs(now.0.saturating_sub(u64::try_from(record.deadline.as_millis()).unwrap_or(u64::MAX)));
    let wanted = match record.missed {
        Missed::Skip => Some(on_time),
        Missed::One => timing.until(now),
        Missed::All(most) => earliest(timing, most, now),
    };
    let first = wanted.unwrap_or(on_time).min(on_time);
    upto.max(UnixMs(first.0.saturating_sub(1)))
}
