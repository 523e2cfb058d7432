//! Which streams there are to be read, and how far they have come.

use async_nats::jetstream::Context;
use lovage_history::StreamCursor;
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// What a listing of streams asks for: subjects of buckets, and of dead letters.
const FILTERS: [&str; 2] = ["$KV.*.>", "lovage.*.dead.>"];
/// Requests of one listing, at most: each names up to 256 streams.
const PAGES_MAX: usize = 400;

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Results,
    Dead,
}

/// A stream to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) tenant: TenantName,
    pub(super) created: UnixMs,
    pub(super) last: u64,
}

impl Source {
    /// How far it was read.
    pub(super) fn read(&self, cursors: &HashMap<String, StreamCursor>) -> u64 {
        let cursor = cursors.get(&self.name).filter(|cursor| cursor.created == self.created);
        cursor.map_or(0, |cursor| cursor.sequence)
    }
}

/// Why the broker cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the broker cannot be read for the history: {0}")]
pub struct ReadError(pub(super) String);

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Info>>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Info {
    config: Config,
    created: String,
    state: State,
}

#[derive(Deserialize)]
struct Config {
    name: String,
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    last_seq: u64,
}

/// Every stream of results and dead letters.
pub(super) async fn list(js: &Context) -> Result<Vec<Source>, ReadError> {
    let mut sources = Vec::new();
    for filter in FILTERS {
        let mut seen = 0;
        for _ in 0..PAGES_MAX {
            let request = json!({"subject": filter, "offset": seen});
            let answer: Answer =
                js.request("STREAM.LIST", &request).await.map_err(|error| ReadError(error.to_string()))?;
            if let Some(error) = answer.error {
                return Err(ReadError(error.to_string()));
            }
            let streams = answer.streams.unwrap_or_default();
            seen += streams.len();
            let is_last = streams.is_empty() || seen >= answer.total;
            sources.extend(streams.into_iter().filter_map(source));
            if is_last {
                break;
            }
        }
    }
    Ok(sources)
}

fn source(info: Info) -> Option<Source> {
    let name = info.config.name;
    let (kind, tenant) = match (name.strip_prefix("KV_results-"), name.strip_prefix("DEAD_")) {
        (Some(tenant), _) => (Kind::Results, tenant.parse().ok()?),
        (None, Some(tenant)) => (Kind::Dead, tenant.parse().ok()?),
        (None, None) => return None,
    };
    Some(Source { kind, tenant, created: UnixMs::from_rfc3339(&info.created).ok()?, last: info.state.last_seq, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_others_are_left_out_and_a_stream_made_anew_is_unread() {
        let info = |name: &str| Info {
            config: Config { name: name.to_owned() },
            created: "2026-11-28T10:00:00.123456789Z".to_owned(),
            state: State { last_seq: 7 },
        };
        let results = source(info("KV_results-acme")).unwrap();
        assert_eq!((results.kind, results.tenant.as_str(), results.last), (Kind::Results, "acme", 7));
        assert_eq!(source(info("DEAD_acme")).unwrap().kind, Kind::Dead);
        for other in ["KV_state-acme", "KV_results-Acme", "DEAD_", "JOBS_acme", "KV_results-a b"] {
            assert_eq!(source(info(other)), None);
        }
        let at = |created| HashMap::from([(results.name.clone(), StreamCursor { created, sequence: 5 })]);
        assert_eq!(results.read(&at(results.created)), 5);
        assert_eq!(results.read(&at(UnixMs(1))), 0);
        assert_eq!(results.read(&HashMap::new()), 0);
    }
}
