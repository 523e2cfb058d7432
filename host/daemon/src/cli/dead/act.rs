//! Replaying and purging dead letters: the ones that were counted, and only when that is said. What is wrong with one
//! does not keep the others.

use super::super::bulk::{AT_ONCE, Words, told_count};
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::preview::{Preview, Tasks};
use super::select::{FilterArgs, Walk};
use super::{Which, failure};
use futures::StreamExt;
use lovage_client::{Client, ReplayOptions, Replayed, StoredLetter};
use lovage_job::catalog::VersionRef;
use lovage_job::name::JobId;
use serde_json::json;

const PURGE: Words = Words { one: "dead letter", verb: "purge" };
/// How replays are told.
pub(super) const REPLAY: Words = Words { one: "dead letter", verb: "replay" };

/// The letters that a command is for.
enum Chosen {
    /// By their ids.
    Ids,
    /// By a filter, up to the newest that was counted.
    Filtered {
        /// Its sequence.
        newest: u64,
    },
}

/// Counts before anything is changed. Nothing is chosen where nothing is to be done.
async fn choose(client: &Client, which: &Which, words: Words, output: Output) -> Result<Option<Chosen>, Failure> {
    if !which.ids.is_empty() {
        return Ok(Some(Chosen::Ids));
    }
    check_any(which, words)?;
    let (count, newest) = count(client, &which.filter).await?;
    Ok(which.bulk.agree(count, words, output)?.then_some(Chosen::Filtered { newest }))
}

fn check_any(which: &Which, words: Words) -> Result<(), Failure> {
    if !which.ids.is_empty() || which.all || which.filter.is_some() {
        return Ok(());
    }
    let verb = words.verb;
    let hint = format!("name jobs, or give a filter such as --task, or --all: lovage dead {verb} --all --dry-run");
    Err(Failure::new(Exit::Usage, format!("nothing to {verb}")).hint(hint))
}

async fn count(client: &Client, filter: &FilterArgs) -> Result<(u64, u64), Failure> {
    let (mut walk, mut count, mut newest) = (Walk::new(filter, None), 0u64, 0);
    while let Some(letters) = walk.next(client).await? {
        count += u64::try_from(letters.len()).unwrap_or(u64::MAX);
        newest = letters.iter().map(|stored| stored.sequence).max().unwrap_or(0).max(newest);
    }
    Ok((count, newest))
}

pub(super) async fn replay(
    client: &Client,
    which: &Which,
    version: Option<VersionRef>,
    output: Output,
) -> Result<Exit, Failure> {
    let (options, tasks) = (ReplayOptions { version }, Tasks::default());
    if which.bulk.dry_run {
        return preview(client, which, &options, &tasks, output).await;
    }
    let mut told = Told::default();
    match choose(client, which, REPLAY, output).await? {
        None => return Ok(Exit::Done),
        Some(Chosen::Ids) => {
            let each = which.ids.iter().map(async |id| match client.dead_show(id).await {
                Ok(stored) => (id.clone(), replay_one(client, &stored, &options, &tasks).await),
                Err(error) => (id.clone(), Err(failure(error))),
            });
            let mut each = futures::stream::iter(each).buffered(AT_ONCE);
            while let Some((id, replayed)) = each.next().await {
                told.replayed(&id, replayed, output)?;
            }
        }
        Some(Chosen::Filtered { newest }) => {
            let mut walk = Walk::new(&which.filter, None).from(newest);
            while let Some(letters) = walk.next(client).await? {
                let each = letters.iter().map(async |stored| {
                    let replayed = replay_one(client, stored, &options, &tasks).await;
                    (&stored.letter.id, replayed)
                });
                let mut each = futures::stream::iter(each).buffer_unordered(AT_ONCE);
                while let Some((id, replayed)) = each.next().await {
                    told.replayed(id, replayed, output)?;
                }
            }
        }
    }
    output.note(&format!("{} replayed, {} not", told.done, told.failed));
    Ok(told.exit.unwrap_or(Exit::Done))
}

/// What a replay would do, changing nothing.
async fn preview(
    client: &Client,
    which: &Which,
    options: &ReplayOptions,
    tasks: &Tasks,
    output: Output,
) -> Result<Exit, Failure> {
    check_any(which, REPLAY)?;
    let mut preview = Preview::default();
    for id in &which.ids {
        let stored = client.dead_show(id).await.map_err(failure)?;
        preview.add(&stored, tasks.version(client, &stored, options).await);
    }
    if which.ids.is_empty() {
        let mut walk = Walk::new(&which.filter, None);
        while let Some(letters) = walk.next(client).await? {
            for stored in &letters {
                preview.add(stored, tasks.version(client, stored, options).await);
            }
        }
    }
    preview.print(output).map(|()| Exit::Done)
}

/// Replays a letter. A version that is not there would bury the job again, and its reason and trail would be lost; what
/// the job itself asked for is the publisher's affair.
async fn replay_one(
    client: &Client,
    stored: &StoredLetter,
    options: &ReplayOptions,
    tasks: &Tasks,
) -> Result<Replayed, Failure> {
    if options.version.is_some() {
        tasks.version(client, stored, options).await?;
    }
    client.replay(stored, options).await.map_err(failure)
}

/// What became of letters.
#[derive(Default)]
struct Told {
    done: u64,
    failed: u64,
    exit: Option<Exit>,
}

impl Told {
    fn replayed(&mut self, id: &JobId, replayed: Result<Replayed, Failure>, output: Output) -> Result<(), Failure> {
        let word = match replayed {
            Ok(Replayed::Queued) => "queued",
            Ok(Replayed::Already) => "already",
            Err(failure) => {
                self.failed(&failure);
                if output.json {
                    return output.value(&json!({"id": id, "replay": null, "error": failure.message}));
                }
                output.note(&format!("error: {}", failure.message));
                return Ok(());
            }
        };
        self.done += 1;
        match word {
            _ if output.json => output.value(&json!({"id": id, "replay": word})),
            "queued" => output.line(id.as_str()),
            _ => output.line(&format!("{id} was replayed before; its letter is removed")),
        }
    }

    fn failed(&mut self, failure: &Failure) {
        self.failed += 1;
        self.exit = Some(failure.exit);
    }
}

pub(super) async fn purge(client: &Client, which: &Which, output: Output) -> Result<Exit, Failure> {
    let mut told = Told::default();
    match choose(client, which, PURGE, output).await? {
        None => return Ok(Exit::Done),
        Some(Chosen::Ids) if which.bulk.dry_run => {
            for id in &which.ids {
                client.dead_show(id).await.map_err(failure)?;
            }
            let count = u64::try_from(which.ids.len()).unwrap_or(u64::MAX);
            return told_count(count, PURGE, true, output).map(|()| Exit::Done);
        }
        Some(Chosen::Ids) => {
            told.done = client.dead_purge(&which.ids).await.or_exit(Exit::Broker)?;
            if told.done == 0 {
                let failure = Failure::new(Exit::NotFound, "none of these jobs has a dead letter");
                return Err(failure.hint("`lovage dead list` shows those there are"));
            }
        }
        Some(Chosen::Filtered { newest }) => {
            let mut walk = Walk::new(&which.filter, None).from(newest);
            while let Some(letters) = walk.next(client).await? {
                let each = letters.iter().map(async |stored| (stored, client.dead_remove(stored).await));
                let mut each = futures::stream::iter(each).buffer_unordered(AT_ONCE);
                while let Some((stored, removed)) = each.next().await {
                    match removed.or_exit(Exit::Broker) {
                        Ok(removed) => told.done += u64::from(removed),
                        Err(failure) => {
                            told.failed(&failure);
                            output.note(&format!("error: job {}: {}", stored.letter.id, failure.message));
                        }
                    }
                }
            }
        }
    }
    match output.json {
        true => output.value(&json!({"purged": told.done}))?,
        false => output.line(&format!("{} purged", PURGE.count(told.done)))?,
    }
    Ok(told.exit.unwrap_or(Exit::Done))
}
