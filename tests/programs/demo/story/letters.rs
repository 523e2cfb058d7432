//! Chapter 4, its end: the dead letters.

use std::time::Duration;

use anyhow::ensure;
use lovage_client::DeadFilter;
use lovage_job::result::JobResult;

use super::jobs;
use crate::{page::Page, stage::Stage};

/// Shows the dead letter of each of these jobs; there must be no others than those of the story.
pub(super) async fn tell(page: &mut Page, stage: &Stage, dead: &[&JobResult]) -> anyhow::Result<()> {
    let found = stage.client.dead(&DeadFilter::default()).await?;
    let mut rows = Vec::new();
    for result in dead {
        let letter = found.letters.iter().map(|stored| &stored.letter).find(|letter| letter.id == result.record.id);
        let task = jobs::task(result);
        ensure!(letter.is_some(), "job {} of {task} has no dead letter", result.record.id);
        if let Some(letter) = letter {
            ensure!(letter.error.kind == result.record.outcome, "the dead letter of {task} says {}", letter.error.kind);
            let kept = letter.buried.since(result.record.finished) < Duration::from_secs(60);
            ensure!(kept, "the dead letter of {task} was written long after its result");
            rows.push(vec![task, letter.id.to_string(), letter.error.message.clone()]);
        }
    }
    page.line(
        "What failed for good is a dead letter, with payload, headers and reason, to be looked at and replayed:",
    )?;
    page.blank()?;
    page.command("lovage dead list")?;
    page.table(&["TASK", "JOB ID", "REASON"], &rows)?;
    Ok(())
}
