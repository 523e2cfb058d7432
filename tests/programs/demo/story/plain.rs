//! Chapter 1: any NATS client submits a job and reads its result. Nothing of Lovage is used here on purpose.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use async_nats::jetstream;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::Fact;
use crate::{
    measures::{bytes, fuel, span},
    page::{Page, cut},
    stage::Stage,
};

const SUBJECT: &str = "lovage.default.job.default.word-stats";
const PAYLOAD: &str = r#"{"text": "To be, or not to be: that is the question.", "top": 1}"#;
const ENDS: &str = "lovage.default.event.word-stats.*.finished";
const BUCKET: &str = "results-default";
const WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn tell(page: &mut Page, stage: &Stage) -> anyhow::Result<Fact> {
    page.heading("1  A job is a NATS message")?;
    page.line("A subject and a payload, from any NATS client in any language: no SDK, no envelope.")?;
    page.blank()?;
    page.command(&format!("nats pub {SUBJECT} \\"))?;
    page.command_rest(&format!("'{PAYLOAD}'"))?;
    page.blank()?;

    let nats = async_nats::connect(stage.server.url()).await?;
    let mut ends = nats.subscribe(ENDS).await?;
    // The server handles what one connection sends in order, so this cannot overtake the subscription.
    let began = Instant::now();
    nats.publish(SUBJECT, PAYLOAD.into()).await?;
    nats.flush().await?;
    let end = timeout(WITHIN, ends.next()).await.with_context(|| format!("no end of the job after {WITHIN:?}"))?;
    let took = began.elapsed();
    let end = end.ok_or_else(|| anyhow!("the connection was closed"))?;
    let id = end.subject.split('.').nth(4).ok_or_else(|| anyhow!("event {} names no job", end.subject))?;

    let results = jetstream::new(nats).get_stream(format!("KV_{BUCKET}")).await?;
    let stored = results.direct_get_last_for_subject(format!("$KV.{BUCKET}.{id}")).await?;
    let header = |name: &str| stored.headers.get(name).map(|value| value.as_str().to_owned());
    let outcome = header("Lovage-Outcome").ok_or_else(|| anyhow!("the result has no outcome"))?;
    let record: Value = serde_json::from_str(&header("Lovage-Record").unwrap_or_default())?;
    let output: Value = serde_json::from_slice(&stored.payload)?;
    ensure!(outcome == "completed", "job {id} is {outcome}: {:?}", header("Lovage-Error"));
    ensure!(output.get("words") == Some(&Value::from(10)), "the text has 10 words, not as in {output}");

    page.line("The result is a key in a bucket, its body the output, its headers the rest:")?;
    page.blank()?;
    page.command(&format!("nats kv get {BUCKET} {id} --raw"))?;
    page.text(&cut(&output.to_string(), 96))?;
    page.blank()?;
    let number = |name: &str| record.get(name).and_then(Value::as_u64).unwrap_or_default();
    let row = vec![
        id.to_owned(),
        outcome,
        fuel(number("fuel_used")),
        bytes(number("memory_peak_bytes")),
        span(Duration::from_micros(number("wall_us"))),
        span(took),
        record.get("worker").and_then(Value::as_str).unwrap_or_default().to_owned(),
    ];
    page.table(&["JOB ID", "OUTCOME", "FUEL", "MEMORY", "IN SANDBOX", "ROUND TRIP", "WORKER"], &[row])?;
    Ok(Fact { chapter: "1 plain publish", jobs: 1, happened: format!("result read back in {}", span(took)) })
}
