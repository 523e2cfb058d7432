//! Schedules: adding, changing and removing them, and running one now.
//!
//! A schedule is one value under a condition, so two people who change it at once do not undo each other. Workers plan
//! its ticks; what is done here besides is to take back ticks that the broker holds of an old definition, which saves
//! the workers from dropping them.

use crate::client::{Client, now};
use crate::new_schedule::{NewSchedule, Put, ScheduleFault};
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError, Stored};
use crate::scan::{self, Scan};
use crate::submit::SubmitError;
use crate::wire;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use bytes::Bytes;
use lovage_job::header::Headers;
use lovage_job::name::{JobId, ScheduleName};
use lovage_job::schedule::{Claim, Cursor, Definition, ScheduleInput, ScheduleRecord};
use lovage_job::subject::{asset, tick_filter};
use lovage_job::unit::UnixMs;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The most schedules that are listed.
const SCHEDULES_MAX: usize = 10_000;
/// How often a change is tried where others change the schedule at the same moment.
const TRIES: usize = 10;
/// How long a mark that a schedule was removed is kept for those who watch.
const REMOVED_KEPT: &str = "86400s";
/// How long it is known that a run by hand was the last one.
const RUN_KEPT: &str = "1209600s";

/// A value and the revision that a change of it must name.
struct Found<T> {
    value: Option<T>,
    revision: u64,
}

impl Client {
    /// Adds a schedule, or puts it in the place of the one of its name. Task and input are checked as on submission.
    pub async fn put_schedule(&self, schedule: NewSchedule) -> Result<(ScheduleRecord, Put), ScheduleFault> {
        let wanted = self.check_schedule(schedule).await?;
        self.store_schedule(wanted).await
    }

    /// The record of a schedule that may be put: checked to the end, but not written.
    pub async fn check_schedule(&self, schedule: NewSchedule) -> Result<ScheduleRecord, ScheduleFault> {
        let NewSchedule { name, timing, job, missed, deadline, overlap, owner } = schedule;
        let of_one_job = [
            ("an id", job.id.is_some()),
            ("a key that makes jobs one", job.unique.is_some()),
            ("a due time", job.due.is_some()),
            ("an expiry (use the starting deadline)", job.expires.is_some()),
            ("a reply", job.reply.is_some()),
        ];
        if let Some((what, _)) = of_one_job.iter().find(|(_, asked)| *asked) {
            return Err(ScheduleFault::OfOneJob(what));
        }
        let input = ScheduleInput::of(&job.payload)?;
        let id = JobId::of_tick(&name, 0);
        let prepared = job.prepare(&self.tenant, now(), || id).map_err(SubmitError::from)?;
        if !prepared.unchecked {
            self.check_input(&prepared).await.map_err(SubmitError::from)?;
        }
        let (subject, headers) = (prepared.subject, prepared.headers.0);
        let (task, queue, lane) = (subject.task, subject.queue, subject.lane);
        let definition = Definition { timing, task, queue, lane, headers, input };
        let usual = ScheduleRecord::new(name, definition, now());
        let deadline = deadline.unwrap_or(usual.deadline);
        let record = ScheduleRecord { missed, deadline, overlap, owner, ..usual };
        record.check()?;
        Ok(record)
    }

    /// Writes a checked record. One that is paused stays so.
    pub async fn store_schedule(&self, wanted: ScheduleRecord) -> Result<(ScheduleRecord, Put), ScheduleFault> {
        let name = wanted.name.clone();
        for _ in 0..TRIES {
            let found = self.schedule_with_revision(&name).await?;
            let (record, put) = match &found.value {
                None => (self.after_earlier_plans(wanted.clone()).await?, Put::Added),
                Some(before) => {
                    let wanted = ScheduleRecord { paused: before.paused, ..wanted.clone() };
                    match wanted.replacing(before, now()) {
                        None => return Ok((before.clone(), Put::Same)),
                        Some(record) => (record, Put::Changed),
                    }
                }
            };
            if self.write_schedule(&record, found.revision).await? {
                self.take_back(found.value.as_ref()).await;
                return Ok((record, put));
            }
        }
        Err(ScheduleFault::Busy(name))
    }

    /// A schedule; nothing where there is none.
    pub async fn schedule(&self, name: &ScheduleName) -> Result<Option<ScheduleRecord>, ScheduleFault> {
        Ok(self.schedule_with_revision(name).await?.value)
    }

    /// Every schedule of the tenant, by name.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRecord>, ScheduleFault> {
        let filter = format!("$KV.{}.{}.*", asset::SCHEDULES, self.tenant);
        let scan = Scan { filter, messages_max: SCHEDULES_MAX };
        let stored = match scan::forward(&self.nats, &stream_of(asset::SCHEDULES), &scan).await {
            Err(ReadError::Missing { .. }) => Vec::new(),
            stored => stored?,
        };
        let mut all = BTreeMap::new();
        for stored in stored {
            let subject = stored.subject.clone();
            match value_of::<ScheduleRecord>(&stored)? {
                Some(record) => all.insert(subject, record),
                None => all.remove(&subject),
            };
        }
        Ok(all.into_values().collect())
    }

    /// Pauses a schedule, or resumes it. While it is paused it has no ticks, so none of them are missed.
    pub async fn pause_schedule(&self, name: &ScheduleName, paused: bool) -> Result<ScheduleRecord, ScheduleFault> {
        for _ in 0..TRIES {
            let found = self.schedule_with_revision(name).await?;
            let Some(before) = found.value else { return Err(self.no_schedule(name).await) };
            let wanted = ScheduleRecord { paused, ..before.clone() };
            let Some(record) = wanted.replacing(&before, now()) else { return Ok(before) };
            if self.write_schedule(&record, found.revision).await? {
                self.take_back(Some(&before)).await;
                return Ok(record);
            }
        }
        Err(ScheduleFault::Busy(name.clone()))
    }

    /// Removes a schedule. Runs that are queued are not run; one that runs goes on.
    pub async fn remove_schedule(&self, name: &ScheduleName) -> Result<ScheduleRecord, ScheduleFault> {
        for _ in 0..TRIES {
            let found = self.schedule_with_revision(name).await?;
            let Some(before) = found.value else { return Err(self.no_schedule(name).await) };
            let key = asset::schedule_key(&self.tenant, name);
            let headers = [("KV-Operation", "PURGE"), ("Nats-Rollup", "sub"), ("Nats-TTL", REMOVED_KEPT)];
            let headers = headers.into_iter().collect();
            if self.write_key(asset::SCHEDULES, &key, headers, Bytes::new(), Some(found.revision)).await? {
                self.take_back(Some(&before)).await;
                let runs = format!("$KV.{}.{}", asset::TICKS, asset::runs_key(&self.tenant, name));
                // a record of runs that is left names jobs that have ended, and is never trusted
                let _left_is_harmless = read::purge(&self.nats, &stream_of(asset::TICKS), &runs).await;
                return Ok(before);
            }
        }
        Err(ScheduleFault::Busy(name.clone()))
    }

    /// Runs a schedule now, paused or not; its overlap policy holds. Returns the job.
    pub async fn run_schedule(&self, name: &ScheduleName) -> Result<JobId, ScheduleFault> {
        let Some(record) = self.schedule(name).await? else { return Err(self.no_schedule(name).await) };
        let id = JobId::of_run_now(name, now().0);
        let mut headers = wire::to_nats(&record.headers(None));
        headers.insert(NATS_MESSAGE_ID, id.as_str());
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        let subject = record.subject(&self.tenant, &id).to_string();
        let input = record.definition.input.bytes().ok_or_else(|| damaged(name, "its input is not readable"))?;
        match publish::publish(&self.nats, &asset::jobs(&self.tenant), &subject, headers, input.into()).await {
            // a second run in the same millisecond is the same run
            Ok(_) | Err(PublishFault::WrongSequence) => {}
            Err(fault) => return Err(refused(&fault)),
        }
        let claim = serde_json::to_vec(&Claim { sequence: 0, round: 0 }).unwrap_or_default();
        let key = asset::claim_key(&self.tenant, name, &id);
        let headers = [("Nats-TTL", RUN_KEPT)].into_iter().collect();
        let _only_for_show = self.write_key(asset::TICKS, &key, headers, claim.into(), None).await;
        Ok(id)
    }

    /// The job of the last run that began or was asked for, where one is known.
    pub async fn last_run(&self, name: &ScheduleName) -> Result<Option<JobId>, ScheduleFault> {
        let filter = format!("$KV.{}.{}.claim.{name}.*", asset::TICKS, self.tenant);
        let last = match read::last_of(&self.nats, &stream_of(asset::TICKS), &filter).await {
            Ok(last) => last.filter(|stored| !stored.is_tombstone()),
            Err(ReadError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(last.and_then(|stored| stored.subject.rsplit('.').next()?.parse().ok()))
    }

    async fn schedule_with_revision(&self, name: &ScheduleName) -> Result<Found<ScheduleRecord>, ScheduleFault> {
        self.key(asset::SCHEDULES, &asset::schedule_key(&self.tenant, name)).await
    }

    async fn key<T: DeserializeOwned>(&self, bucket: &str, key: &str) -> Result<Found<T>, ScheduleFault> {
        let subject = format!("$KV.{bucket}.{key}");
        match read::last(&self.nats, &stream_of(bucket), &subject, READ_TIMEOUT).await {
            Ok(Some(stored)) => Ok(Found { value: value_of(&stored)?, revision: stored.sequence }),
            Ok(None) => Ok(Found { value: None, revision: 0 }),
            Err(ReadError::Missing { .. }) => Err(ScheduleFault::NoBucket),
            Err(error) => Err(error.into()),
        }
    }

    /// A schedule of this name may have been planned before, by a clock that is ahead of this one: the new one must
    /// not look like an old one.
    async fn after_earlier_plans(&self, record: ScheduleRecord) -> Result<ScheduleRecord, ScheduleFault> {
        let key = asset::cursor_key(&self.tenant, &record.name);
        let earlier: Option<Cursor> = self.key(asset::TICKS, &key).await?.value;
        let floor = earlier.map_or(UnixMs(0), |cursor| UnixMs(cursor.since.0.saturating_add(1)));
        Ok(ScheduleRecord { since: record.since.max(floor), ..record })
    }

    async fn write_schedule(&self, record: &ScheduleRecord, revision: u64) -> Result<bool, ScheduleFault> {
        let key = asset::schedule_key(&self.tenant, &record.name);
        let value = serde_json::to_vec(record).map_err(|error| ScheduleFault::Refused(error.to_string()))?;
        self.write_key(asset::SCHEDULES, &key, Headers::new(), value.into(), Some(revision)).await
    }

    /// Writes a key. False where its revision is not the expected one.
    async fn write_key(
        &self,
        bucket: &str,
        key: &str,
        headers: Headers,
        value: Bytes,
        revision: Option<u64>,
    ) -> Result<bool, ScheduleFault> {
        let mut headers = wire::to_nats(&headers);
        if let Some(revision) = revision {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        }
        let subject = format!("$KV.{bucket}.{key}");
        match publish::publish(&self.nats, &stream_of(bucket), &subject, headers, value).await {
            Ok(_) => Ok(true),
            Err(PublishFault::WrongSequence) => Ok(false),
            Err(PublishFault::NoStream) => Err(ScheduleFault::NoBucket),
            Err(fault) => Err(refused(&fault)),
        }
    }

    /// Takes back the planned ticks of a definition that was replaced. Where this user may not, the workers do.
    async fn take_back(&self, before: Option<&ScheduleRecord>) {
        if let Some(before) = before {
            let filter = tick_filter(&self.tenant, &before.name, before.since);
            let _workers_do_it_too = read::purge(&self.nats, &asset::schedules(&self.tenant), &filter).await;
        }
    }

    /// The fault that there is no such schedule, with the nearest names.
    pub async fn no_schedule(&self, name: &ScheduleName) -> ScheduleFault {
        const SIMILAR: f64 = 0.75;
        let names = self.schedules().await.unwrap_or_default().into_iter().map(|record| record.name);
        let score = |other: &ScheduleName| strsim::jaro_winkler(other.as_str(), name.as_str());
        let mut nearest: Vec<_> = names.filter(|other| score(other) >= SIMILAR).collect();
        nearest.sort_by(|a, b| score(b).total_cmp(&score(a)));
        nearest.truncate(3);
        ScheduleFault::Unknown { name: name.clone(), nearest }
    }
}

fn stream_of(bucket: &str) -> String {
    format!("KV_{bucket}")
}

fn value_of<T: DeserializeOwned>(stored: &Stored) -> Result<Option<T>, ReadError> {
    if stored.is_tombstone() {
        return Ok(None);
    }
    let damaged =
        |error: serde_json::Error| ReadError::Damaged { what: stored.subject.clone(), reason: error.to_string() };
    serde_json::from_slice(&stored.payload).map(Some).map_err(damaged)
}

fn damaged(name: &ScheduleName, reason: &str) -> ScheduleFault {
    ScheduleFault::Read(ReadError::Damaged { what: format!("schedule {name}"), reason: reason.to_owned() })
}

fn refused(fault: &PublishFault) -> ScheduleFault {
    ScheduleFault::Refused(fault.to_string())
}
