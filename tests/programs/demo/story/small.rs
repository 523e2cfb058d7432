//! Chapter 2, its end: one job of each kind of component that needs no SDK.

use anyhow::ensure;
use lovage_job::{name::Digest, outcome::OutcomeKind, result::JobResult};
use serde_json::{Value, json};

use super::jobs;
use crate::{
    measures::{bytes, span},
    page::{Page, cut},
    stage::Stage,
};

/// Runs them and gives back how many jobs there were.
pub(super) async fn tell(page: &mut Page, stage: &Stage, photo: &[u8], document: &str) -> anyhow::Result<usize> {
    page.line(
        "Components that know nothing of Lovage: plain functions over JSON or bytes, a command-line program (wasi:cli) \
         and an HTTP handler (wasi:http).",
    )?;
    page.blank()?;
    let step = |operator: &str, operand: f64| json!({"operator": operator, "operand": operand});
    let expression = |operand: f64| {
        let steps = [step("add", 1.0), step("divide", operand)];
        json!({"start": 41.0, "steps": steps, "rounding": {"places": 2}, "options": ["finite-only"]})
    };
    let runs = vec![
        jobs::raw("sha256-hex", photo.to_vec(), "application/octet-stream")?,
        jobs::raw("wc", document.to_owned(), "text/plain")?,
        jobs::raw("http-echo", "hello", "text/plain")?.header("X-Colour", "blue"),
        jobs::json("add", &json!({"a": 40, "b": 2}))?,
        jobs::json("solve", &expression(4.0))?,
        // An `err` counts as a failure that may pass, so the job would be tried again.
        jobs::json("solve", &expression(0.0))?.retries(0),
    ];
    let shown = [
        format!("the photo, {}", bytes(photo.len() as u64)),
        format!("a document, {}", bytes(document.len() as u64)),
        "POST hello".to_owned(),
        r#"{"a":40,"b":2}"#.to_owned(),
        "(41 + 1) / 4".to_owned(),
        "(41 + 1) / 0".to_owned(),
    ];
    let kinds = ["function", "program", "http", "function", "function", "function"];
    let results = jobs::run_all(&stage.client, runs).await?;
    let [hash, counts, echo, sum, quotient, nothing] = results.as_slice() else {
        anyhow::bail!("six jobs gave {} results", results.len());
    };
    let told = [
        hashed(hash, photo)?,
        counted(counts, document)?,
        echoed(echo)?,
        equals(sum, &json!(42))?,
        equals(quotient, &json!({"value": 10.5, "trace": []}))?,
        refused(nothing)?,
    ];
    let rows = results.iter().zip(kinds).zip(shown).zip(told).map(|(((result, kind), shown), told)| {
        let time = span(std::time::Duration::from_micros(result.record.meter.wall_us));
        vec![jobs::task(result), kind.to_owned(), shown, result.record.outcome.to_string(), time, told]
    });
    page.table(&["TASK", "KIND", "INPUT", "OUTCOME", "TIME", "OUTPUT"], &rows.collect::<Vec<_>>())?;
    Ok(results.len())
}

fn hashed(result: &JobResult, photo: &[u8]) -> anyhow::Result<String> {
    let (digest, expected) = (jobs::output::<String>(result)?, Digest::of(photo));
    ensure!(digest == expected.hex(), "sha256-hex gives {digest}, but the digest is {expected}");
    Ok(format!("{}, as computed outside", cut(&digest, 13)))
}

fn counted(result: &JobResult, document: &str) -> anyhow::Result<String> {
    let counts: Value = jobs::output(result)?;
    let number = |name: &str| counts.get(name).and_then(Value::as_u64);
    let (size, lines) = (document.len() as u64, document.matches('\n').count() as u64);
    ensure!(number("bytes") == Some(size) && number("lines") == Some(lines), "wc counts {counts}");
    Ok(format!("{lines} lines, {} words", number("words").unwrap_or_default()))
}

fn echoed(result: &JobResult) -> anyhow::Result<String> {
    jobs::completed(result)?;
    ensure!(result.body == b"hello", "http-echo gives {:?}", String::from_utf8_lossy(&result.body));
    Ok("200 hello".to_owned())
}

fn equals(result: &JobResult, expected: &Value) -> anyhow::Result<String> {
    let output: Value = jobs::output(result)?;
    ensure!(output == *expected, "{} gives {output}, not {expected}", jobs::task(result));
    Ok(output.to_string())
}

/// A typed error is JSON as well.
fn refused(result: &JobResult) -> anyhow::Result<String> {
    jobs::ended(result, OutcomeKind::Failed)?;
    let details = result.error.as_ref().and_then(|error| error.details.clone()).unwrap_or_default();
    ensure!(details.get("division-by-zero").is_some(), "the error of a division by zero is {details}");
    Ok(details.to_string())
}
