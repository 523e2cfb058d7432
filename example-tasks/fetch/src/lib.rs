//! Fetches a URL: outgoing HTTP through `wasi:http`. The task needs a grant for each host that it goes to, such as
//! `lovage push --allow http=api.example.com`. The worker follows no redirects; this task does, where it is asked to, and
//! each is a request that must be granted like the first.

use std::collections::BTreeMap;

use lovage_task::{TaskError, payload, task};

mod url;
#[cfg(target_os = "wasi")]
mod wasi;

/// A request.
#[payload]
struct Fetch {
    url: String,
    /// GET where absent.
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    /// The most redirects to follow; none where absent.
    redirects: Option<u32>,
    /// Sends the request so often, one after another; once where absent.
    times: Option<u32>,
}

/// What came back.
#[payload]
#[derive(Debug, PartialEq)]
struct Fetched {
    /// Where the answer came from.
    url: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    redirects: u32,
}

/// Fetches a URL.
#[task(timeout = "60s")]
fn fetch(input: Fetch) -> Result<Fetched, TaskError> {
    let mut fetched = fetch_once(&input)?;
    for _ in 1..input.times.unwrap_or(1) {
        fetched = fetch_once(&input)?;
    }
    Ok(fetched)
}

fn fetch_once(input: &Fetch) -> Result<Fetched, TaskError> {
    let mut url = input.url.clone();
    let mut followed = 0;
    loop {
        let parts = url::parts(&url).ok_or_else(|| TaskError::bad_input(format!("{url:?} is not an http(s) URL")))?;
        let mut fetched = send(&parts, input)?;
        fetched.url.clone_from(&url);
        fetched.redirects = followed;
        let location = fetched.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
        match location {
            Some((_, to)) if (300..400).contains(&fetched.status) && followed < input.redirects.unwrap_or(0) => {
                url = url::joined(&parts, to);
                followed += 1;
            }
            _ => return Ok(fetched),
        }
    }
}

#[cfg(target_os = "wasi")]
use wasi::send;

#[cfg(not(target_os = "wasi"))]
fn send(_: &url::Parts<'_>, _: &Fetch) -> Result<Fetched, TaskError> {
    Err(TaskError::permanent("there is no wasi:http here"))
}
