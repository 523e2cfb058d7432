//! The work of a desk: one batch of what is asked of a limit becomes one compare-and-set of its record.

use super::limit_store::{self, Known};
use super::lots::{self, Stored};
use super::permits::{Ask, Batch, DeskName, Done, Permits};
use crate::clock::now;
use lovage_job::limit::{HANDED_AT_ONCE, LimitState};
use lovage_job::unit::UnixMs;
use std::time::Duration;

/// How often a batch is tried: other workers may write first, and the broker may be away for a moment.
const TRIES: u32 = 30;
/// The pause after an answer that did not come.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after someone else wrote first.
const CONFLICT_PAUSE_MAX_MS: u64 = 40;

/// What the record says to what was asked.
enum Answer {
    Granted,
    Refused,
    At(UnixMs),
}

/// A batch put into a state of the record, not yet written.
struct Draft {
    at: UnixMs,
    state: LimitState,
    answers: Vec<Answer>,
    refused: bool,
    /// Those who are woken once it is written.
    handed: Vec<Stored>,
    nobody_waits: bool,
}

impl Permits {
    /// Works on a batch until its record is written, or needs no writing, or the tries are used up: then those who asked
    /// hear nothing, which puts their jobs back for a moment, and what was given back is told again later.
    pub(super) async fn work(&self, name: &DeskName, mut batch: Batch) -> Done {
        for round in 0..TRIES {
            let (known, fresh) = match batch.known.take() {
                Some(known) => (known, false),
                None => match limit_store::read(&self.client, &name.tenant, &name.lot).await {
                    Ok(known) => (known, true),
                    Err(error) => {
                        tracing::debug!(lot = %name.lot, error = %error, "limit not read yet");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let draft = self.draft(name, &batch, &known.state, fresh).await;
            if draft.refused && !fresh {
                // what is remembered may be old: nobody is refused without a look
                continue;
            }
            if let Some(known) = self.store(name, known, &draft, round).await {
                return self.tell(name, batch, draft, known).await;
            }
        }
        tracing::warn!(tenant = %name.tenant, lot = %name.lot, "a limit could not be written; its jobs are put back");
        Done { freed: batch.freed || batch.renew, ..Done::default() }
    }

    async fn draft(&self, name: &DeskName, batch: &Batch, known: &LimitState, fresh: bool) -> Draft {
        let at = now();
        let most = self.rules.limit(&name.tenant, &batch.scope).and_then(|limit| limit.concurrency());
        let most = most.unwrap_or(u32::MAX);
        let mut state = known.clone();
        let answers = self.apply(&mut state, batch, most, at);
        let refused = answers.iter().any(|answer| matches!(answer, Answer::Refused));
        let (mut handed, mut nobody_waits) = (Vec::new(), false);
        if fresh || !refused {
            if refused || (batch.look && state.room(most) == 0) {
                state.want(at);
            }
            let looks = batch.look || (batch.freed && state.is_wanted());
            if looks && state.room(most) > 0 {
                (handed, nobody_waits) = self.hand_over(name, &mut state, most, at).await;
            }
        }
        Draft { at, state, answers, refused, handed, nobody_waits }
    }

    /// Writes a draft where it changes something; nothing where it is to be made anew.
    async fn store(&self, name: &DeskName, known: Known, draft: &Draft, round: u32) -> Option<Known> {
        if draft.state == known.state {
            return Some(known);
        }
        let keep = (known.revision, draft.state.kept_for(draft.at));
        match limit_store::write(&self.client, &name.tenant, &name.lot, &draft.state, keep).await {
            Ok(Some(revision)) => return Some(Known { state: draft.state.clone(), revision }),
            Ok(None) => {
                let longest = (2 + u64::from(round) * 4).min(CONFLICT_PAUSE_MAX_MS);
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest))).await;
            }
            Err(error) => {
                // stored or not: the record tells
                tracing::debug!(lot = %name.lot, error = %error, "limit not written yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
        None
    }

    /// Tells those who asked, and wakes those who have a place now.
    async fn tell(&self, name: &DeskName, batch: Batch, draft: Draft, known: Known) -> Done {
        let (granted, unheard) = self.answer(name, batch.asks, draft.answers);
        self.send(&draft.handed).await;
        Done {
            known: Some(known),
            refused: draft.refused,
            freed: unheard,
            renewed: batch.renew || granted > 0,
            nobody_waits: draft.nobody_waits,
        }
    }

    fn apply(&self, state: &mut LimitState, batch: &Batch, most: u32, at: UnixMs) -> Vec<Answer> {
        state.expire(at);
        match batch.renew {
            true => state.renew(&self.instance, batch.held, most, at),
            false => state.trim(&self.instance, batch.held),
        }
        let put = |ask: &Ask| match ask {
            Ask::Permit { job, .. } if state.acquire(job, &self.instance, most, at) => Answer::Granted,
            Ask::Permit { .. } => Answer::Refused,
            Ask::Place { rate, .. } => Answer::At(state.place(rate, at)),
        };
        batch.asks.iter().map(put).collect()
    }

    /// Keeps the places there are for those that have waited longest. They are woken once that is written. One that has
    /// a place already and is still there is woken again: whoever kept it may have died before.
    async fn hand_over(&self, name: &DeskName, state: &mut LimitState, most: u32, at: UnixMs) -> (Vec<Stored>, bool) {
        let count = state.room(most).saturating_add(state.reserved()).min(HANDED_AT_ONCE);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match lots::oldest(&self.client, &name.tenant, &name.lot, count).await {
            Ok(waiting) => {
                let nobody_waits = waiting.is_empty();
                let keep = |waiting: &Stored| {
                    waiting.job().is_some_and(|job| state.has_place(&job) || state.reserve(&job, most, at))
                };
                (waiting.into_iter().filter(keep).collect(), nobody_waits)
            }
            Err(error) => {
                tracing::debug!(lot = %name.lot, error = %error, "those who wait are looked for again");
                (Vec::new(), false)
            }
        }
    }

    /// Tells those who asked; returns how many permits were granted, and whether one found nobody any more.
    fn answer(&self, name: &DeskName, asks: Vec<Ask>, answers: Vec<Answer>) -> (u32, bool) {
        let granted = answers.iter().filter(|answer| matches!(answer, Answer::Granted)).count();
        let granted = u32::try_from(granted).unwrap_or(u32::MAX);
        // before a job hears of its permit: it may give it back at once
        self.count(name, granted);
        let mut unheard = 0;
        for (ask, answer) in asks.into_iter().zip(answers) {
            match (ask, answer) {
                (Ask::Permit { answer, .. }, said) => {
                    let granted = matches!(said, Answer::Granted);
                    unheard += u32::from(answer.send(granted).is_err() && granted);
                }
                (Ask::Place { answer, .. }, Answer::At(at)) => {
                    let _a_place_that_nobody_takes_is_lost = answer.send(at);
                }
                (Ask::Place { .. }, Answer::Granted | Answer::Refused) => {}
            }
        }
        self.uncount(name, unheard);
        (granted, unheard > 0)
    }

    async fn send(&self, handed: &[Stored]) {
        for waiting in handed {
            if let Err(error) = lots::fire(&self.client, waiting).await {
                tracing::debug!(error = %error, "a job was not woken; it is when its place is looked at again");
            }
        }
    }
}
