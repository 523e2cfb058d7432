//! Chapter 3: a new version goes live while jobs flow.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};
use lovage_client::NewJob;
use lovage_job::{name::JobId, result::JobResult, unit::UnixMs};
use serde_json::json;

use super::{Fact, jobs};
use crate::{
    measures::{count, span},
    page::Page,
    stage::Stage,
};

/// At least so many jobs in all.
const JOBS: usize = 2_000;
/// So many before the push begins, and at least so many after it ended.
const BEFORE: usize = 500;
const AFTER: usize = 500;
/// So many are submitted at once, and the pause before the next ones.
const BATCH: usize = 25;
const PAUSE: Duration = Duration::from_millis(30);
const TASK: &str = "word-stats";

pub(super) async fn tell(page: &mut Page, stage: &mut Stage) -> anyhow::Result<Fact> {
    page.heading("3  A new version while jobs flow")?;
    page.line(
        "Version 2 of word-stats is the same program with a custom section `lovage-demo` added, so that its digest, and \
         nothing else, differs. Workers compile it beside their work; then the alias `stable` moves for them.",
    )?;
    page.blank()?;
    let pids = stage.pids()?;
    let second = second_version(stage)?;
    page.command("lovage push word_stats-2.wasm")?;
    page.blank()?;
    let began = Instant::now();
    let mut ids = Vec::with_capacity(JOBS);
    while ids.len() < BEFORE {
        submit(stage, &mut ids).await?;
        page.passing(&format!("{} jobs submitted", ids.len()))?;
    }
    let push_began = Instant::now();
    let pushed_at = Cell::new(None);
    let push = async {
        let pushed = stage.push(&second, &[]).await;
        pushed_at.set(Some((push_began.elapsed(), now())));
        pushed
    };
    let flow = async {
        while pushed_at.get().is_none() {
            submit(stage, &mut ids).await?;
            page.passing(&format!("{} jobs submitted, version 2 is being pushed", ids.len()))?;
        }
        anyhow::Ok(())
    };
    let (pushed, flowed) = tokio::join!(push, flow);
    let (pushed, ()) = (pushed?, flowed?);
    let (push_took, moved) = pushed_at.get().unwrap_or((push_began.elapsed(), now()));
    let during = ids.len() - BEFORE;
    while ids.len() < JOBS.max(BEFORE + during + AFTER) {
        submit(stage, &mut ids).await?;
        page.passing(&format!("{} jobs submitted, version 2 is pushed", ids.len()))?;
    }
    page.passing("waiting for the last results")?;
    let results = jobs::wait_all(&stage.client, &ids).await?;
    let took = began.elapsed();
    for result in &results {
        jobs::completed(result)?;
    }
    ensure!(stage.pids()? == pids, "a worker was restarted");
    let digest = pushed.first().map(|record| record.digest.clone()).ok_or_else(|| anyhow!("nothing was pushed"))?;
    let versions = by_version(&results);
    ensure!(versions.len() == 2, "{} versions ran, not 2", versions.len());
    ensure!(versions.get("2").is_some_and(|ran| ran.digest == digest.to_string()), "version 2 did not run");
    print(page, &versions, began_at(&results))?;
    page.blank()?;
    let live = versions.get("2").map_or(Duration::ZERO, |ran| ran.first.since(moved));
    page.line(&format!(
        "{} jobs in {}: {during} came while the push ran ({}). The first job ran on version 2 {} after `push` returned. \
         None failed; both workers are the same processes as before.",
        count(results.len()),
        span(took),
        span(push_took),
        span(live),
    ))?;
    let ran = |version: &str| versions.get(version).map_or(0, |ran| ran.jobs);
    let happened = format!("{} ran version 1, {} version 2, none failed", count(ran("1")), count(ran("2")));
    Ok(Fact { chapter: "3 deploy in flight", jobs: results.len(), happened })
}

/// Writes version 2: the bytes of version 1 and a custom section, which no program can see.
fn second_version(stage: &Stage) -> anyhow::Result<PathBuf> {
    let mut component = fs::read(stage.components.join("word_stats.wasm"))?;
    let (name, content) = (b"lovage-demo", b"version 2");
    let size = 1 + name.len() + content.len();
    ensure!(size < 128, "a length is one byte here");
    component.extend([0, size as u8, name.len() as u8]);
    component.extend(name);
    component.extend(content);
    let path = stage.folder.output().join("word_stats-2.wasm");
    fs::write(&path, component)?;
    Ok(path)
}

/// Submits the next jobs, all at once, and lets a moment pass.
async fn submit(stage: &Stage, ids: &mut Vec<JobId>) -> anyhow::Result<()> {
    let job = |_| jobs::json(TASK, &json!({"text": "A few words, again and again.", "top": 1}));
    let batch = (0..BATCH).map(job).collect::<anyhow::Result<Vec<NewJob>>>()?;
    let submits = batch.into_iter().map(|job| stage.client.submit(job));
    let submitted = futures::future::try_join_all(submits).await?;
    ids.extend(submitted.into_iter().map(|submitted| submitted.id));
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// What ran on one version.
struct Ran {
    digest: String,
    jobs: usize,
    first: UnixMs,
    last: UnixMs,
    workers: BTreeMap<String, usize>,
}

fn by_version(results: &[JobResult]) -> BTreeMap<String, Ran> {
    let mut versions = BTreeMap::new();
    for record in results.iter().map(|result| &result.record) {
        let version = record.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let ran = versions.entry(version).or_insert_with(|| Ran {
            digest: record.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            jobs: 0,
            first: record.started,
            last: record.started,
            workers: BTreeMap::new(),
        });
        ran.jobs += 1;
        ran.first = ran.first.min(record.started);
        ran.last = ran.last.max(record.started);
        *ran.workers.entry(record.worker.clone()).or_insert(0) += 1;
    }
    versions
}

fn began_at(results: &[JobResult]) -> UnixMs {
    results.iter().map(|result| result.record.started).min().unwrap_or(UnixMs(0))
}

fn print(page: &mut Page, versions: &BTreeMap<String, Ran>, began: UnixMs) -> anyhow::Result<()> {
    let rows = versions.iter().map(|(version, ran)| {
        let workers: Vec<_> = ran.workers.iter().map(|(name, jobs)| format!("{name} {}", count(*jobs))).collect();
        vec![
            version.clone(),
            ran.digest.get(..19).unwrap_or(&ran.digest).to_owned(),
            count(ran.jobs),
            span(ran.first.since(began)),
            span(ran.last.since(began)),
            workers.join(", "),
        ]
    });
    page.table(&["VERSION", "DIGEST", "JOBS", "FIRST AT", "LAST AT", "RAN ON"], &rows.collect::<Vec<_>>())?;
    Ok(())
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
