//! Chapter 2: real files. The repository's own documents, a photo, a table, and one job of each kind of component.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use lovage_job::result::JobResult;
use lovage_tests::repository;
use serde::Deserialize;
use serde_json::json;

use super::{Fact, jobs, samples, small};
use crate::{
    measures::{bytes, count, fuel, span},
    page::Page,
    stage::Stage,
};

/// How many documents are shown; all of them are worked on.
const SHOWN: usize = 8;
/// Folders that are not the repository's own.
const FOREIGN: [&str; 2] = ["target", "node_modules"];
/// The longer side of the thumbnail.
const THUMBNAIL_SIDE: u32 = 320;
const ORDERS: u64 = 5_000;

struct Document {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct Stats {
    words: u64,
    unique: u64,
    sentences: u64,
    top: Vec<Word>,
    reading_minutes: f64,
}

#[derive(Deserialize)]
struct Word {
    word: String,
    count: u64,
}

pub(super) async fn tell(page: &mut Page, stage: &Stage) -> anyhow::Result<Fact> {
    page.heading("2  Real files")?;
    let documents = documents()?;
    let mut done = tell_documents(page, stage, &documents).await?;
    page.blank()?;
    let photo = photo(page, stage).await?;
    page.blank()?;
    done += 1 + orders(page, stage).await?;
    page.blank()?;
    done += small::tell(page, stage, &photo, &documents.first().map(|d| d.text.clone()).unwrap_or_default()).await?;
    let happened = format!("{} documents, a photo, a table: outputs checked", documents.len());
    Ok(Fact { chapter: "2 real files", jobs: done, happened })
}

/// Finds the repository's Markdown, largest first.
fn documents() -> anyhow::Result<Vec<Document>> {
    let mut paths = Vec::new();
    find(repository(), &mut paths).context("looking for documents")?;
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(repository()).unwrap_or(&path).display().to_string();
        Ok(Document { name, text })
    };
    let mut documents = paths.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    documents.retain(|document| !document.text.trim().is_empty());
    documents.sort_by_key(|document| std::cmp::Reverse(document.text.len()));
    ensure!(!documents.is_empty(), "the repository has no documents");
    Ok(documents)
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // Links are not followed: they may lead out of the repository, or round in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && !FOREIGN.contains(&name.as_str()) {
            find(&path, found)?;
        } else if kind.is_file() && name.ends_with(".md") {
            found.push(path);
        }
    }
    Ok(())
}

async fn tell_documents(page: &mut Page, stage: &Stage, documents: &[Document]) -> anyhow::Result<usize> {
    page.line("This repository's own documents, each through two tasks: word-stats and markdown.")?;
    page.blank()?;
    let statistics = documents.iter().map(|document| jobs::json("word-stats", &json!({"text": document.text})));
    let statistics = jobs::run_all(&stage.client, statistics.collect::<anyhow::Result<_>>()?).await?;
    let pages = documents.iter().map(|document| jobs::raw("markdown", document.text.clone(), "text/markdown"));
    let pages = jobs::run_all(&stage.client, pages.collect::<anyhow::Result<_>>()?).await?;
    let mut rows = Vec::new();
    for ((document, counted), html) in documents.iter().zip(&statistics).zip(&pages) {
        rows.push(tell_document(stage, document, counted, html)?);
    }
    let more = rows.len().saturating_sub(SHOWN);
    rows.truncate(SHOWN);
    page.table(&["DOCUMENT", "WORDS", "UNIQUE", "SENTENCES", "READS IN", "MOST FREQUENT", "HTML", "FUEL"], &rows)?;
    if more > 0 {
        page.line(&format!("and {more} more"))?;
    }
    Ok(2 * documents.len())
}

fn tell_document(
    stage: &Stage,
    document: &Document,
    counted: &JobResult,
    html: &JobResult,
) -> anyhow::Result<Vec<String>> {
    let stats: Stats = jobs::output(counted)?;
    let expected = words(&document.text);
    ensure!(stats.words == expected, "{} has {expected} words, not {}", document.name, stats.words);
    jobs::completed(html)?;
    let text = String::from_utf8_lossy(&html.body);
    ensure!(text.contains('<') && !text.contains("<script"), "the HTML of {} is not as it should be", document.name);
    fs::write(stage.folder.output().join(document.name.replace(['/', '\\'], "-") + ".html"), &html.body)?;
    let top = stats.top.first().map(|top| format!("{} ({})", top.word, top.count)).unwrap_or_default();
    Ok(vec![
        document.name.clone(),
        stats.words.to_string(),
        stats.unique.to_string(),
        stats.sentences.to_string(),
        format!("{:.1} min", stats.reading_minutes),
        top,
        bytes(html.body.len() as u64),
        fuel(counted.record.meter.fuel_used),
    ])
}

/// Counts words as the task does, but here.
fn words(text: &str) -> u64 {
    let runs = text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'));
    runs.filter(|run| !run.trim_matches(['\'', '’']).is_empty()).count() as u64
}

/// Gives back the photo, which has further use.
async fn photo(page: &mut Page, stage: &Stage) -> anyhow::Result<Vec<u8>> {
    page.passing("drawing a photo")?;
    let photo = samples::photo()?;
    let (from, to) = (stage.folder.output().join("photo.png"), stage.folder.output().join("photo-thumbnail.png"));
    fs::write(&from, &photo)?;
    let job = jobs::raw("thumbnail", photo.clone(), "image/png")?.header("Thumbnail-Max", THUMBNAIL_SIDE.to_string());
    let result = jobs::run(&stage.client, job).await?;
    jobs::completed(&result)?;
    let size = samples::png_size(&result.body)?;
    ensure!(size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE * 3 / 4), "the thumbnail has {size:?} pixels");
    fs::write(&to, &result.body)?;
    let limit = stage.client.nats().max_payload() as u64;
    ensure!(photo.len() as u64 > limit, "the photo was meant to be larger than a message");
    page.line(&format!(
        "A photo, drawn just now: larger than a NATS message may be ({}), so the client passed it through the object \
         store by itself.",
        bytes(limit)
    ))?;
    page.blank()?;
    let meter = &result.record.meter;
    let row = |name: &str, (width, height): (u32, u32), size: usize, used: [String; 3]| {
        let [fuel, memory, time] = used;
        vec![name.into(), format!("{width} x {height}"), bytes(size as u64), fuel, memory, time]
    };
    let rows = [
        row("photo.png", (samples::PHOTO_WIDTH, samples::PHOTO_HEIGHT), photo.len(), Default::default()),
        row("photo-thumbnail.png", size, result.body.len(), crate::measures::used(meter)),
    ];
    page.table(&["PICTURE", "PIXELS", "SIZE", "FUEL", "MEMORY", "TIME"], &rows)?;
    Ok(photo)
}

#[derive(Deserialize)]
struct Summary {
    rows: u64,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    value: Option<String>,
    rows: u64,
    columns: std::collections::BTreeMap<String, Column>,
}

#[derive(Deserialize)]
struct Column {
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
}

async fn orders(page: &mut Page, stage: &Stage) -> anyhow::Result<usize> {
    let orders = samples::orders(ORDERS);
    fs::write(stage.folder.output().join("orders.csv"), &orders.csv)?;
    let size = orders.csv.len() as u64;
    let job = jobs::raw("csv-summary", orders.csv, "text/csv")?.header("Group-By", "region");
    let result = jobs::run(&stage.client, job).await?;
    let summary: Summary = jobs::output(&result)?;
    ensure!(summary.rows == orders.rows, "the table has {} rows, not {}", orders.rows, summary.rows);
    let mut rows = Vec::new();
    for (group, (region, count_here, cents)) in summary.groups.iter().zip(&orders.regions) {
        let amount = group.columns.get("amount").context("the summary has no column `amount`")?;
        let sum = amount.sum.unwrap_or_default();
        let same = group.value.as_deref() == Some(region) && group.rows == *count_here;
        ensure!(same && (sum - *cents as f64 / 100.0).abs() < 0.01, "the summary of {region} is wrong: {sum}");
        let money = |amount: Option<f64>| amount.map(|amount| format!("{amount:.2}")).unwrap_or_default();
        rows.push(vec![
            (*region).to_owned(),
            group.rows.to_string(),
            money(amount.sum),
            money(amount.mean),
            money(amount.min),
            money(amount.max),
        ]);
    }
    ensure!(rows.len() == orders.regions.len(), "the summary has {} regions", rows.len());
    let time = span(std::time::Duration::from_micros(result.record.meter.wall_us));
    page.line(&format!(
        "A table of {} orders ({}) through csv-summary, grouped by a header of the job, in {time} and {} of fuel; the \
         sums are those of a count outside.",
        count(ORDERS as usize),
        bytes(size),
        fuel(result.record.meter.fuel_used)
    ))?;
    page.blank()?;
    page.table(&["REGION", "ORDERS", "AMOUNT", "MEAN", "LEAST", "MOST"], &rows)?;
    Ok(1)
}
