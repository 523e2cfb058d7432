//! The story: five chapters, each of which shows, checks what it claims, and says in a line what happened.

mod crash;
mod deploy;
mod files;
mod jobs;
mod letters;
mod plain;
mod runaway;
mod samples;
mod small;

use std::time::Instant;

use crate::{
    measures::{count, span},
    page::Page,
    stage::Stage,
};

/// What a chapter comes to.
#[derive(Debug)]
struct Fact {
    chapter: &'static str,
    jobs: usize,
    happened: String,
}

/// Tells all chapters and sums them up. An error is a claim that did not hold.
pub(crate) async fn tell(page: &mut Page, stage: &mut Stage) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut jobs = 0;
    let began = Instant::now();
    for chapter in 1..=5 {
        let began = Instant::now();
        let fact = match chapter {
            1 => plain::tell(page, stage).await?,
            2 => files::tell(page, stage).await?,
            3 => deploy::tell(page, stage).await?,
            4 => runaway::tell(page, stage).await?,
            _ => crash::tell(page, stage).await?,
        };
        jobs += fact.jobs;
        rows.push(vec![fact.chapter.to_owned(), count(fact.jobs), span(began.elapsed()), fact.happened]);
    }
    page.heading("What happened")?;
    page.table(&["CHAPTER", "JOBS", "TOOK", "RESULT"], &rows)?;
    page.blank()?;
    page.line(&format!(
        "{} jobs in {}, each in a fresh sandbox of its own; every claim above was checked.",
        count(jobs),
        span(began.elapsed())
    ))?;
    Ok(())
}
