//! The service that writes: looks what is new, reads it, writes it, and waits where one of the two ends is not there.

use super::keep::Keeper;
use super::lag::Lag;
use super::reader::Reader;
use super::streams::{self, ReadError, Source};
use async_nats::jetstream::Context;
use lovage_history::{Advance, Batch, DatabaseUrl, Entry, HistoryError, Store, StoreOptions};
use lovage_job::unit::UnixMs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Entries that are written at once.
const TOGETHER: usize = 1_000;
/// Entries of one stream before the others have their turn.
const TURN: usize = 5_000;
/// The first and the longest pause while something is at fault.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// A look rests for so many times as long as it took, so that a broker with very many streams is not kept busy by it.
const REST_TIMES: u32 = 10;

/// How the history is written.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// How often it is looked for something new.
    pub every: Duration,
    /// How long jobs of tenants are kept whose records say nothing.
    pub keep: Duration,
    /// How often it is looked for what is too old.
    pub keep_every: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3_600);
        Self { every: Duration::from_secs(1), keep: 90 * day, keep_every: Duration::from_secs(30) }
    }
}

/// A writer that runs until it is stopped. Several may write into one database: what one has written, the others skip.
#[derive(Debug)]
pub struct Writer {
    lag: Arc<Mutex<Lag>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts to write.
    pub fn start(js: Context, store: Store, options: WriterOptions) -> Self {
        let (lag, stop) = (Arc::<Mutex<Lag>>::default(), CancellationToken::new());
        let task = tokio::spawn(Work::new(js, store, options, lag.clone()).run(stop.clone()));
        Self { lag, stop, task }
    }

    /// Starts to write into a database that may not be there yet, or not now: it is opened as soon as it can be.
    pub fn start_at(js: Context, url: DatabaseUrl, options: WriterOptions) -> Self {
        let (lag, stop) = (Arc::<Mutex<Lag>>::default(), CancellationToken::new());
        let (told, ending) = (lag.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let opened = tokio::select! {
                store = opened(&url, &told) => store,
                () = ending.cancelled() => return,
            };
            Work::new(js, opened, options, told).run(ending).await;
        });
        Self { lag, stop, task }
    }

    /// How far it is.
    pub fn lag(&self) -> Lag {
        lock(&self.lag).clone()
    }

    /// What tells how far it is, for whoever outlives this handle.
    pub fn watch(&self) -> impl Fn() -> Lag + Send + Sync + use<> {
        let lag = self.lag.clone();
        move || lock(&lag).clone()
    }

    /// Stops after the batch that is being written.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(error = %error, "the writer of the history ended by itself");
        }
    }
}

/// Opens the database, however long it takes.
async fn opened(url: &DatabaseUrl, lag: &Mutex<Lag>) -> Store {
    let mut pause = PAUSES.0;
    loop {
        match Store::open(url, StoreOptions::default()).await {
            Ok(store) => return store,
            Err(error) => degraded(lag, &error),
        }
        pause = (pause * 2).min(PAUSES.1);
        tokio::time::sleep(pause).await;
    }
}

/// Tells people once that the history is not written.
fn degraded(lag: &Mutex<Lag>, fault: &dyn std::fmt::Display) {
    let mut lag = lock(lag);
    lag.degraded_since.get_or_insert_with(crate::clock::now);
    if lag.degraded.replace(fault.to_string()).is_none() {
        tracing::warn!(error = %fault, "the history is not written now; it catches up later, and no job is lost");
    }
}

fn lock(lag: &Mutex<Lag>) -> MutexGuard<'_, Lag> {
    lag.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the history cannot be written or compared.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The broker is at fault.
    #[error(transparent)]
    Broker(#[from] ReadError),
    /// The database is at fault.
    #[error(transparent)]
    History(#[from] HistoryError),
}

struct Work {
    js: Context,
    store: Store,
    reader: Reader,
    options: WriterOptions,
    lag: Arc<Mutex<Lag>>,
    keeper: Keeper,
}

/// What was read and is not written yet.
#[derive(Default)]
struct Pending {
    batch: Batch,
    damaged: u64,
}

impl Work {
    fn new(js: Context, store: Store, options: WriterOptions, lag: Arc<Mutex<Lag>>) -> Self {
        let keeper = Keeper::new(js.clone(), store.clone(), &options);
        Self { reader: Reader::new(js.clone()), js, store, options, lag, keeper }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            let begun = Instant::now();
            let rest = match self.look(&stop).await {
                Ok(more) => {
                    self.well();
                    pause = PAUSES.0;
                    if more { Duration::ZERO } else { self.options.every.max(begun.elapsed() * REST_TIMES) }
                }
                Err(fault) => {
                    degraded(&self.lag, &fault);
                    pause = (pause * 2).min(PAUSES.1);
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Reads and writes what is new, in turns. Returns whether there may be more.
    async fn look(&mut self, stop: &CancellationToken) -> Result<bool, Fault> {
        let sources = streams::list(&self.js).await?;
        let cursors = self.store.cursors().await?;
        let behind = |source: &Source| source.last.saturating_sub(source.read(&cursors));
        lock(&self.lag).entries = sources.iter().map(behind).sum();
        let mut pending = Pending::default();
        let mut more = false;
        for source in sources.iter().filter(|source| behind(source) > 0) {
            match self.turn(source, source.read(&cursors), &mut pending, stop).await {
                Ok(left) => more |= left,
                // another writer, or a rebuild: what the database says counts
                Err(Fault::History(HistoryError::Gap { .. })) => return Ok(true),
                Err(fault) => return Err(fault),
            }
            if stop.is_cancelled() {
                break;
            }
        }
        match self.flush(&mut pending).await {
            Ok(()) => {}
            Err(HistoryError::Gap { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        if stop.is_cancelled() {
            return Ok(more);
        }
        self.looked(more);
        self.keeper.look(&sources, &cursors).await?;
        Ok(more)
    }

    fn begun(&self, oldest: Option<UnixMs>) {
        let mut lag = lock(&self.lag);
        lag.oldest = lag.oldest.or(oldest);
    }

    fn looked(&self, more: bool) {
        let mut lag = lock(&self.lag);
        lag.oldest = None;
        if !more {
            lag.entries = 0;
            lag.caught_up += 1;
        }
    }

    /// The turn of one stream. Returns whether there is more of it.
    async fn turn(
        &mut self,
        source: &Source,
        mut from: u64,
        pending: &mut Pending,
        stop: &CancellationToken,
    ) -> Result<bool, Fault> {
        let mut read = 0;
        while read < TURN && !stop.is_cancelled() {
            let chunk = self.reader.read(source, from).await?;
            self.begun(chunk.oldest);
            let (stream, created) = (source.name.clone(), source.created);
            pending.batch.advances.push(Advance { stream, created, from, to: chunk.to });
            pending.damaged += chunk.damaged;
            read += chunk.entries.len();
            from = chunk.to;
            pending.batch.entries.extend(chunk.entries);
            if pending.batch.entries.len() >= TOGETHER || pending.batch.advances.len() >= TOGETHER {
                self.flush(pending).await?;
            }
            if chunk.done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes what was read. Where the database refuses some of it, all but that.
    async fn flush(&mut self, pending: &mut Pending) -> Result<(), HistoryError> {
        let Pending { batch, damaged } = std::mem::take(pending);
        if batch.entries.is_empty() && batch.advances.is_empty() {
            return Ok(());
        }
        let refused = match self.store.write(&batch).await {
            Err(HistoryError::Refused { reason }) => {
                tracing::warn!(reason, "the history's database refuses some of a batch, which is left out");
                self.write_apart(&batch).await?
            }
            written => written.map(|()| 0)?,
        };
        let mut lag = lock(&self.lag);
        let written = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX) - refused;
        lag.written += written;
        lag.entries = lag.entries.saturating_sub(written + refused + damaged);
        lag.damaged += damaged;
        lag.refused += refused;
        lag.oldest = None;
        Ok(())
    }

    /// Writes a batch in ever smaller parts, and returns how many entries are refused by themselves.
    async fn write_apart(&self, batch: &Batch) -> Result<u64, HistoryError> {
        let mut refused = 0;
        let mut parts: Vec<&[Entry]> = vec![&batch.entries];
        while let Some(part) = parts.pop() {
            match self.store.write(&Batch { entries: part.to_vec(), advances: Vec::new() }).await {
                Err(HistoryError::Refused { .. }) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([first, second]);
                }
                Err(HistoryError::Refused { .. }) => refused += 1,
                written => written?,
            }
        }
        // last, so that a crash in between repeats this
        self.store.write(&Batch { entries: Vec::new(), advances: batch.advances.clone() }).await?;
        Ok(refused)
    }

    fn well(&self) {
        let mut lag = lock(&self.lag);
        lag.degraded_since = None;
        if lag.degraded.take().is_some() {
            tracing::info!("the history is written again");
        }
    }
}
