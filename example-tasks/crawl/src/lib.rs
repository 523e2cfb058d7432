//! Finds the links of many pages: a fan-out that survives whatever happens to it.
//!
//! `crawl` takes pages and submits a job of `crawl-batch` for each so many of them; a retry submits none twice, because
//! each batch has a key. `crawl-batch` keeps the links of each page as it goes, so a retry starts where the last attempt
//! stopped; past its soft timeout it puts itself off instead of being stopped, which costs no attempt. Push it with
//! `--allow submit`, as tasks that submit jobs must be.

use std::time::Duration;

use lovage_task::jobs::{self, NewJob};
use lovage_task::{TaskError, cancelled, checkpoint, payload, progress, task};

/// Pages of one batch where nothing is said.
const BATCH: usize = 20;

/// A page that was fetched.
#[payload]
#[derive(Clone)]
struct Page {
    url: String,
    html: String,
}

#[payload]
struct Crawl {
    pages: Vec<Page>,
    /// Pages of one batch; 20 where absent.
    batch: Option<usize>,
}

#[payload]
#[derive(Debug, PartialEq)]
struct Planned {
    /// The jobs of `crawl-batch`, in the order of their pages.
    batches: Vec<String>,
}

/// Submits a job for each batch of pages.
#[task(timeout = "30s")]
fn crawl(input: Crawl) -> Result<Planned, TaskError> {
    let mut batches = Vec::new();
    for (number, pages) in input.pages.chunks(input.batch.unwrap_or(BATCH).max(1)).enumerate() {
        let child = NewJob::new("crawl-batch").input(pages)?.key(format!("batch {number}"));
        batches.push(jobs::submit(child)?.id);
    }
    Ok(Planned { batches })
}

#[payload]
#[derive(Debug, PartialEq)]
struct Links {
    url: String,
    links: Vec<String>,
}

/// Finds the links of each page.
#[task(timeout = "30s", soft_timeout = "20s")]
fn crawl_batch(pages: Vec<Page>) -> Result<Vec<Links>, TaskError> {
    let mut found = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        if cancelled() {
            let text = format!("{number} of {} pages are done", pages.len());
            return Err(TaskError::snooze(Duration::from_secs(1), text));
        }
        let links = checkpoint::memo(&format!("page {number}"), || Ok(links(&page.html)))?;
        found.push(Links { url: page.url.clone(), links });
        progress(None, &page.url);
    }
    Ok(found)
}

/// The values of `href` in a page, in order and each once; those within the page are left out.
fn links(html: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in html.split("href=").skip(1) {
        let Some(quote) = part.chars().next().filter(|quote| ['"', '\''].contains(quote)) else { continue };
        let Some((link, _)) = part.get(1..).and_then(|rest| rest.split_once(quote)) else { continue };
        if !link.is_empty() && !link.starts_with('#') && !found.iter().any(|known| known == link) {
            found.push(link.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str, html: &str) -> Page {
        Page { url: url.into(), html: html.into() }
    }

    #[test]
    fn links_are_found_once_and_in_order() {
        let html = r##"<a href="/b">b</a> <A href='/a?x="1"'>a</A> <a href="#top">top</a> <a href="/b">b</a> href="##;
        assert_eq!(links(html), ["/b", r#"/a?x="1""#]);
    }

    #[test]
    fn pages_are_split_into_batches() {
        let pages = vec![page("/1", ""), page("/2", ""), page("/3", "")];
        let planned = crawl(Crawl { pages, batch: Some(2) }).ok();
        assert_eq!(planned.map(|planned| planned.batches.len()), Some(2));
    }

    #[test]
    fn a_batch_gives_the_links_of_its_pages() {
        let found = crawl_batch(vec![page("/", r#"<a href="/next">next</a>"#)]).ok();
        assert_eq!(found, Some(vec![Links { url: "/".into(), links: vec!["/next".into()] }]));
    }
}
