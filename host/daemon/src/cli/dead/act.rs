//! Replaying and purging dead letters: the ones that were counted, and only when that is said.

use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::select::{FilterArgs, Walk};
use super::{Which, failure};
use futures::StreamExt;
use lovage_client::{Client, ReplayOptions, Replayed, StoredLetter};
use lovage_job::catalog::VersionRef;
use lovage_job::name::JobId;
use serde_json::json;

/// Letters that are replayed at the same time.
const AT_ONCE: usize = 16;

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
async fn choose(client: &Client, which: &Which, verb: &str, output: Output) -> Result<Option<Chosen>, Failure> {
    if !which.ids.is_empty() {
        let count = which.ids.len();
        if which.dry_run {
            for id in &which.ids {
                client.dead_show(id).await.map_err(failure)?;
            }
            told_count(u64::try_from(count).unwrap_or(u64::MAX), verb, true, output)?;
            return Ok(None);
        }
        return Ok(Some(Chosen::Ids));
    }
    if !which.all && !which.filter.is_some() {
        let hint = format!("name jobs, or give a filter such as --task, or --all: lovage dead {verb} --all --dry-run");
        return Err(Failure::new(Exit::Usage, format!("nothing to {verb}")).hint(hint));
    }
    let (count, newest) = count(client, &which.filter).await?;
    if which.dry_run || count == 0 {
        told_count(count, verb, which.dry_run, output)?;
        return Ok(None);
    }
    if !which.yes {
        let failure = Failure::new(Exit::Usage, format!("{} to {verb}; nothing was changed", letters(count)));
        return Err(failure.hint(format!("--yes to {verb} them, --dry-run to count only")));
    }
    output.note(&format!("{} to {verb}", letters(count)));
    Ok(Some(Chosen::Filtered { newest }))
}

fn told_count(count: u64, verb: &str, dry_run: bool, output: Output) -> Result<(), Failure> {
    match output.json {
        true => output.value(&json!({"count": count, "dry_run": dry_run})),
        false => output.line(&format!("{} to {verb}; nothing was changed", letters(count))),
    }
}

fn letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
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
    let options = ReplayOptions { version };
    let mut told = Told::default();
    match choose(client, which, "replay", output).await? {
        None => return Ok(Exit::Done),
        Some(Chosen::Ids) => {
            for id in &which.ids {
                let replayed = match client.dead_show(id).await {
                    Ok(stored) => replay_one(client, &stored, &options).await.1,
                    Err(error) => Err(failure(error)),
                };
                told.replayed(id, replayed, output)?;
            }
        }
        Some(Chosen::Filtered { newest }) => {
            let mut walk = Walk::new(&which.filter, None).from(newest);
            while let Some(letters) = walk.next(client).await? {
                let each = letters.iter().map(|stored| replay_one(client, stored, &options));
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

async fn replay_one<'a>(
    client: &Client,
    stored: &'a StoredLetter,
    options: &ReplayOptions,
) -> (&'a JobId, Result<Replayed, Failure>) {
    let id = &stored.letter.id;
    match check_version(client, stored, options).await {
        Ok(()) => (id, client.replay(stored, options).await.map_err(failure)),
        Err(failure) => (id, Err(failure)),
    }
}

/// A version that is not there would bury the job again, and its reason and trail would be lost.
async fn check_version(client: &Client, stored: &StoredLetter, options: &ReplayOptions) -> Result<(), Failure> {
    let (Some(version), Some((_, task))) = (&options.version, stored.letter.place()) else { return Ok(()) };
    let id = &stored.letter.id;
    match client.task(&task).await.or_exit(Exit::Broker)? {
        Some(record) => match record.resolve(Some(version), id) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(Exit::NotFound, format!("job {id} was not replayed: {error}"))),
        },
        None => Err(Failure::new(Exit::NotFound, format!("job {id} was not replayed: there is no task {task}"))),
    }
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
                self.failed += 1;
                self.exit = Some(failure.exit);
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
}

pub(super) async fn purge(client: &Client, which: &Which, output: Output) -> Result<Exit, Failure> {
    let purged = match choose(client, which, "purge", output).await? {
        None => return Ok(Exit::Done),
        Some(Chosen::Ids) => {
            let purged = client.dead_purge(&which.ids).await.or_exit(Exit::Broker)?;
            if purged == 0 {
                let failure = Failure::new(Exit::NotFound, "none of these jobs has a dead letter");
                return Err(failure.hint("`lovage dead list` shows those there are"));
            }
            purged
        }
        Some(Chosen::Filtered { newest }) => {
            let (mut walk, mut purged) = (Walk::new(&which.filter, None).from(newest), 0);
            while let Some(letters) = walk.next(client).await? {
                let ids: Vec<_> = letters.into_iter().map(|stored| stored.letter.id).collect();
                purged += client.dead_purge(&ids).await.or_exit(Exit::Broker)?;
            }
            purged
        }
    };
    match output.json {
        true => output.value(&json!({"purged": purged}))?,
        false => output.line(&format!("{} purged", letters(purged)))?,
    }
    Ok(Exit::Done)
}
