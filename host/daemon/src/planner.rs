//! Plans schedules: sees to it that the broker holds the ticks that come next.
//!
//! Every worker plans every schedule; there is no leader to lose. All of them come to the same ticks by the same pure
//! rule, and a tick is written under a condition, so it does not matter how many do. The cursor of a schedule moves
//! after its ticks are with the broker: a crash in between has them written again, which the broker refuses or, where
//! a tick has fired meanwhile, the claim of the tick drops.

use crate::clock::now;
use crate::nats::control::{Change, watch};
use crate::nats::ticks::{cursor, definition, plan_tick, set_cursor, unplan};
use crate::ports::BrokerError;
use async_nats::Client;
use async_nats::jetstream::Context;
use futures::{StreamExt, TryStreamExt, stream};
use lovage_job::name::{ScheduleName, TenantName};
use lovage_job::schedule::{Cursor, Plan, ScheduleRecord, Timing, plan};
use lovage_job::subject::asset;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often all schedules are looked at; a change is looked at once.
const EVERY: Duration = Duration::from_secs(10);
/// How soon again where the broker failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Ticks that are handed over at a time.
const TOGETHER: usize = 32;

type Key = (TenantName, ScheduleName);

/// A schedule as this worker knows it.
#[derive(Debug, Clone)]
struct Known {
    record: Arc<ScheduleRecord>,
    timing: Timing,
    /// How far it was planned when this worker looked last.
    cursor: Option<Cursor>,
}

/// What this worker knows of all schedules.
#[derive(Debug, Default)]
struct Planner {
    known: Mutex<HashMap<Key, Known>>,
    /// Definitions that are gone, whose ticks must not fire.
    gone: Mutex<Vec<(Key, Arc<ScheduleRecord>)>>,
    changed: Notify,
}

/// Begins to plan; ends with `stop`.
pub async fn start(js: &Context, stop: &CancellationToken, tracker: &TaskTracker) -> anyhow::Result<()> {
    let bucket = js.get_key_value(asset::SCHEDULES).await?;
    let planner = Arc::new(Planner::default());
    let (changes, watching) = (planner.clone(), stop.clone());
    tracker.spawn(async move {
        let each = |change| {
            changes.apply(&change);
            std::future::ready(())
        };
        watch(&bucket, ">", &watching, None, each).await;
    });
    tracker.spawn(planner.run(js.client(), stop.clone()));
    Ok(())
}

/// The schedule that a key names.
fn key_of(key: &str) -> Option<Key> {
    let (tenant, name) = key.split_once('.')?;
    Some((tenant.parse().ok()?, name.parse().ok()?))
}

impl Planner {
    /// Takes a change of the bucket. What is no schedule is left alone, and said so.
    fn apply(&self, change: &Change) {
        let Some(key) = key_of(&change.key) else { return };
        let known = change.value.as_ref().and_then(|value| match read(&key, value) {
            Ok(known) => Some(known),
            Err(reason) => {
                tracing::warn!(tenant = %key.0, schedule = %key.1, reason, "a schedule cannot be planned");
                None
            }
        });
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match known {
            Some(known) => {
                // a watch that begins again tells what is known already
                let same = all.get(&key).filter(|before| before.record == known.record);
                let cursor = same.and_then(|before| before.cursor);
                all.insert(key, Known { cursor, ..known });
                None
            }
            None => all.remove(&key).map(|before| (key, before.record)),
        };
        drop(all);
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).extend(before);
        self.changed.notify_one();
    }

    async fn run(self: Arc<Self>, client: Client, stop: CancellationToken) {
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = tokio::select! {
                // to be cut off is no more than to be killed
                () = stop.cancelled() => return,
                good = self.round(&client) => if good { EVERY } else { PAUSE },
            };
        }
    }

    /// Looks at every schedule. False where the broker failed.
    async fn round(&self, client: &Client) -> bool {
        let mut good = true;
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, record) in gone {
            if unplan(client, &key.0, &key.1, record.since).await.is_err() {
                self.gone.lock().unwrap_or_else(PoisonError::into_inner).push((key, record));
                good = false;
            }
        }
        let all: Vec<(Key, Known)> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().map(|(key, known)| (key.clone(), known.clone())).collect()
        };
        for (key, known) in all {
            if let Err(error) = self.one(client, &key, known).await {
                tracing::debug!(tenant = %key.0, schedule = %key.1, error = %error, "schedule not planned yet");
                good = false;
            }
        }
        good
    }

    /// Plans one schedule until nothing is left to do for now.
    async fn one(&self, client: &Client, key: &Key, known: Known) -> Result<(), BrokerError> {
        let Known { record, timing, cursor: remembered } = known;
        let is_settled = remembered.is_some_and(|cursor| cursor.since == record.since);
        if is_settled && plan(&record, &timing, remembered, now()).is_none() {
            return Ok(());
        }
        // a watch may miss that a schedule was removed, and may be slow to tell of a change
        let definition = definition(client, &key.0, &key.1).await?;
        if definition.as_ref() != Some(record.as_ref()) {
            let value = definition.and_then(|definition| serde_json::to_vec(&definition).ok()).map(Into::into);
            self.apply(&Change { key: asset::schedule_key(&key.0, &key.1), value });
            return Ok(());
        }
        loop {
            let (stored, revision) = cursor(client, &key.0, &key.1).await?;
            match stored {
                // this worker has not heard of the change yet
                Some(stored) if stored.since > record.since => return Ok(()),
                Some(stored) if stored.since < record.since => unplan(client, &key.0, &key.1, stored.since).await?,
                Some(_) | None => {}
            }
            let begun = Cursor { since: record.since, upto: record.since };
            let plan = plan(&record, &timing, stored, now());
            let next = match &plan {
                Some(plan) => plan.cursor,
                None => stored.filter(|stored| stored.since == record.since).unwrap_or(begun),
            };
            if let Some(Plan { ticks, .. }) = &plan {
                let planned = stream::iter(ticks.clone()).map(|slot| plan_tick(client, &key.0, &record, slot));
                planned.buffered(TOGETHER).try_collect::<()>().await?;
            }
            let moved = stored == Some(next) || set_cursor(client, &key.0, &key.1, next, revision).await?;
            if !moved {
                // someone else was first: perhaps with a newer definition, whose purge came before our ticks
                let (stored, _) = cursor(client, &key.0, &key.1).await?;
                if stored.is_some_and(|stored| stored.since > record.since) {
                    return unplan(client, &key.0, &key.1, record.since).await;
                }
                continue;
            }
            self.remember(key, &record, next);
            if !plan.is_some_and(|plan| plan.more) {
                return Ok(());
            }
        }
    }

    fn remember(&self, key: &Key, record: &Arc<ScheduleRecord>, cursor: Cursor) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(key).filter(|known| known.record == *record) {
            known.cursor = Some(cursor);
        }
    }
}

/// Reads a schedule as it is stored, and checks it.
fn read(key: &Key, value: &[u8]) -> Result<Known, String> {
    let record: ScheduleRecord = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    if record.name != key.1 {
        return Err(format!("it names itself {}", record.name));
    }
    let timing = record.check().map_err(|error| error.to_string())?;
    Ok(Known { record: Arc::new(record), timing, cursor: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_in_the_bucket_is_left_alone() {
        let planner = Planner::default();
        for (key, value) in [("a.b", "junk"), ("a", "{}"), ("a.b.c", "{}"), ("A.b", "{}"), ("a.b", "")] {
            planner.apply(&Change { key: key.into(), value: Some(value.to_owned().into()) });
        }
        assert!(planner.known.lock().unwrap().is_empty());
    }
}
