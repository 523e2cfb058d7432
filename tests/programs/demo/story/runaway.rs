//! Chapter 4: tasks that misbehave, and what becomes of them and of their neighbours.

use std::time::{Duration, Instant};

use anyhow::ensure;
use lovage_client::NewJob;
use lovage_job::{outcome::OutcomeKind, result::JobResult, retry::Backoff};
use serde_json::{Value, json};

use super::{Fact, jobs, letters};
use crate::{
    measures::{span, used},
    page::Page,
    stage::Stage,
};

/// Well-behaved jobs that run beside the others.
const NEIGHBOURS: usize = 200;

/// A job, what it does, and how it must end.
struct Misdeed {
    job: NewJob,
    about: &'static str,
    ends: OutcomeKind,
    attempts: u32,
}

pub(super) async fn tell(page: &mut Page, stage: &Stage) -> anyhow::Result<Fact> {
    page.heading("4  Runaway tasks")?;
    page.line(&format!(
        "Tasks that loop, allocate, recurse and trap, at once and on the same two workers as {NEIGHBOURS} well-behaved \
         jobs. The limits here: 2 G of fuel (an instruction is about one unit), 64 MiB of memory.",
    ))?;
    page.blank()?;
    page.passing("running")?;
    let misdeeds = misdeeds()?;
    let bad = jobs::run_all(&stage.client, misdeeds.iter().map(|misdeed| misdeed.job.clone()).collect());
    let good = neighbours(stage);
    let (bad, (good, took)) = futures::try_join!(bad, good)?;
    let mut rows = Vec::new();
    for (misdeed, result) in misdeeds.iter().zip(&bad) {
        jobs::ended(result, misdeed.ends)?;
        let attempts = result.record.attempt;
        let task = jobs::task(result);
        ensure!(attempts == misdeed.attempts, "{task} had {attempts} attempts, not {}", misdeed.attempts);
        let [fuel, memory, time] = used(&result.record.meter);
        let (outcome, about) = (result.record.outcome.to_string(), misdeed.about.to_owned());
        rows.push(vec![task, about, outcome, attempts.to_string(), fuel, memory, time]);
    }
    page.table(&["TASK", "WHAT IT DOES", "OUTCOME", "ATTEMPTS", "FUEL", "MEMORY", "TIME"], &rows)?;
    page.blank()?;
    backtrace(page, &bad)?;
    retries(page, &bad)?;
    page.blank()?;
    page.line(&format!("Meanwhile all {good} neighbours completed, the slowest after {}.", span(took)))?;
    page.blank()?;
    let dead: Vec<_> = bad.iter().filter(|result| result.record.outcome != OutcomeKind::Completed).collect();
    letters::tell(page, stage, &dead).await?;
    let happened = format!("{} of {} buried, workers and neighbours unharmed", dead.len(), bad.len());
    Ok(Fact { chapter: "4 runaway tasks", jobs: bad.len() + good, happened })
}

fn misdeeds() -> anyhow::Result<Vec<Misdeed>> {
    let job = |task: &str, input: Value| jobs::json(task, &input);
    let misdeed = |job, about, ends, attempts| Misdeed { job, about, ends, attempts };
    let flaky = job("flaky", json!({"succeed_on": 3}))?.backoff(Backoff::Fixed(Duration::from_millis(500)));
    let sleepy = job("sleepy", json!(600_000))?.timeout(Duration::from_secs(1)).retries(0);
    Ok(vec![
        misdeed(job("spin", Value::Null)?, "loops without end", OutcomeKind::OutOfFuel, 1),
        misdeed(job("hog", Value::Null)?, "allocates without end", OutcomeKind::OutOfMemory, 1),
        misdeed(job("recurse", Value::Null)?, "calls itself without end", OutcomeKind::StackOverflow, 1),
        misdeed(sleepy, "sleeps 10 min, may take 1 s", OutcomeKind::TimedOut, 1),
        misdeed(job("trap", Value::Null)?.retries(0), "hits `unreachable`", OutcomeKind::Trapped, 1),
        misdeed(flaky, "fails twice, then works", OutcomeKind::Completed, 3),
    ])
}

/// Runs small jobs, and tells how long the slowest took from publish to its end.
async fn neighbours(stage: &Stage) -> anyhow::Result<(usize, Duration)> {
    let job = |_| jobs::json("word-stats", &json!({"text": "Good fences make good neighbours."}));
    let batch = (0..NEIGHBOURS).map(job).collect::<anyhow::Result<Vec<_>>>()?;
    let began = Instant::now();
    let results = jobs::run_all(&stage.client, batch).await?;
    let whole = began.elapsed();
    for result in &results {
        jobs::completed(result)?;
    }
    let slowest = results.iter().map(|result| result.record.finished.since(result.record.published)).max();
    Ok((results.len(), slowest.unwrap_or(whole)))
}

fn backtrace(page: &mut Page, results: &[JobResult]) -> anyhow::Result<()> {
    let trapped = results.iter().find(|result| result.record.outcome == OutcomeKind::Trapped);
    let Some(error) = trapped.and_then(|result| result.error.as_ref()) else {
        anyhow::bail!("the trap has no error");
    };
    let named = error.backtrace.iter().any(|frame| frame.contains("touch_the_wire"));
    ensure!(named, "the backtrace does not name where it trapped: {:?}", error.backtrace);
    page.line(&format!("`trap`: {}", error.message))?;
    for frame in error.backtrace.iter().take(4) {
        page.text(&format!("  at {}", without_hash(frame)))?;
    }
    Ok(())
}

/// Leaves out the hash at the end of a Rust symbol.
fn without_hash(frame: &str) -> &str {
    match frame.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => frame,
    }
}

fn retries(page: &mut Page, results: &[JobResult]) -> anyhow::Result<()> {
    let Some(flaky) = results.iter().find(|result| jobs::task(result) == "flaky") else {
        anyhow::bail!("there is no flaky job");
    };
    let failed = flaky.trail.0.iter().filter(|attempt| attempt.outcome == OutcomeKind::Failed).count();
    ensure!(failed == 2, "the trail of `flaky` has {failed} failed attempts, not 2");
    page.blank()?;
    page.line("`flaky`: the trail that its result carries")?;
    for attempt in flaky.trail.0.iter().filter(|attempt| attempt.outcome == OutcomeKind::Failed) {
        let said = attempt.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        page.text(&format!("  attempt {} on {}: {}, {said}", attempt.attempt, attempt.worker, attempt.outcome))?;
    }
    let record = &flaky.record;
    page.text(&format!("  attempt {} on {}: {}", record.attempt, record.worker, record.outcome))?;
    Ok(())
}
