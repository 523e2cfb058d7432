//! Compares the history with the broker: every result and every dead letter that is there.

use super::keep::{keeps, too_old};
use super::reader::Reader;
use super::streams::{self, Kind, Source};
use super::writer::Fault;
use async_nats::jetstream::Context;
use lovage_history::{Difference, Store};
use lovage_job::unit::UnixMs;
use serde::Serialize;
use std::time::Duration;

/// Differences that are named.
const NAMED_MAX: usize = 100;

/// Jobs that will be too old within this time are not compared: the writer's clock is another one.
const MARGIN: Duration = Duration::from_secs(60);

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Results on the broker that were compared.
    pub results: u64,
    /// Dead letters on the broker that were compared.
    pub letters: u64,
    /// Entries that are not compared, since the history has not read their streams that far yet.
    pub unread: u64,
    /// Entries that are not compared, since the history does not keep them any more.
    pub too_old: u64,
    /// Entries on the broker that cannot be read.
    pub damaged: u64,
    /// How many jobs the history does not have as the broker does.
    pub different: u64,
    /// The first of these.
    pub differences: Vec<Difference>,
}

/// Compares all that the broker has now, up to where the history has read. `keep` is how long jobs of tenants are kept
/// whose records say nothing.
///
/// # Errors
/// The broker or the database does not answer.
pub async fn check(js: &Context, store: &Store, keep: Duration) -> Result<Checked, Fault> {
    let mut checked = Checked::default();
    let cursors = store.cursors().await?;
    let keeps = keeps(js).await.unwrap_or_default();
    for source in streams::list(js).await? {
        let until = source.read(&cursors);
        checked.unread += source.last.saturating_sub(until);
        let keep = keeps.get(&source.tenant).copied().flatten().unwrap_or(keep);
        compare((js, store), &source, (until, too_old(keep)), &mut checked).await?;
    }
    Ok(checked)
}

async fn compare(
    (js, store): (&Context, &Store),
    source: &Source,
    (until, too_old): (u64, UnixMs),
    into: &mut Checked,
) -> Result<(), Fault> {
    // a stream that ends at the place to compare up to, so that the reading does
    let source = Source { last: until, ..source.clone() };
    let (mut reader, mut from) = (Reader::new(js.clone()), 0);
    while from < until {
        let mut chunk = reader.read(&source, from).await?;
        chunk.up_to(until);
        let read = chunk.entries.len();
        // what is just too old now may have been let go of already
        chunk.entries.retain(|entry| entry.finished() >= too_old.after(MARGIN));
        into.too_old += u64::try_from(read - chunk.entries.len()).unwrap_or(u64::MAX);
        let count = u64::try_from(chunk.entries.len()).unwrap_or(u64::MAX);
        match source.kind {
            Kind::Results => into.results += count,
            Kind::Dead => into.letters += count,
        }
        into.damaged += chunk.damaged;
        let differences = store.differences(&chunk.entries).await?;
        into.different += u64::try_from(differences.len()).unwrap_or(u64::MAX);
        let room = NAMED_MAX.saturating_sub(into.differences.len());
        into.differences.extend(differences.into_iter().take(room));
        from = chunk.to;
        if chunk.done {
            break;
        }
    }
    Ok(())
}
