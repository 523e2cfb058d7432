//! What happens, as it happens: server-sent events. They are told by core NATS and may be lost; `lagged` says that some
//! were left out for this reader.

use super::extract::{Asked, Named};
use super::refused::Reads;
use crate::clock::now;
use crate::http::auth::{Caller, Role};
use crate::http::limits::Counted;
use crate::http::problem::Problem;
use crate::http::site::Site;
use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use lovage_job::event::{Event, Happening};
use lovage_job::name::{JobId, TaskName, TenantName};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use utoipa::IntoParams;

/// Events that wait for a slow reader; further ones are left out.
const WAITING_MAX: usize = 256;
/// How often an idle stream shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is looked whether the token is still valid, besides when one is removed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a stream lasts; a browser then asks for a new one.
const LASTS: Duration = Duration::from_secs(3_600);

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct EventsQuery {
    /// Of jobs of this task alone.
    #[param(value_type = Option<String>)]
    task: Option<TaskName>,
    /// Of this job alone.
    #[param(value_type = Option<String>)]
    job: Option<JobId>,
}

/// Streams what happens to jobs. Lines that guests log are for operators and admins.
#[utoipa::path(get, path = "/tenants/{tenant}/events", tag = "live", params(("tenant" = String, Path), EventsQuery),
    responses((status = 200, body = String, content_type = "text/event-stream"), Reads))]
pub async fn events(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named(tenant): Named<TenantName>,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Problem> {
    let within = site.enter(&caller, &tenant, Role::Viewer).await?;
    let counted = site.limits.stream(&caller.name)?;
    let events = match &query.job {
        Some(id) => within.client.events_of(id).await.map_err(Problem::broker)?.boxed(),
        None => within.client.events().await.map_err(Problem::broker)?.boxed(),
    };
    let (task, logs) = (query.task, caller.sees_payloads());
    let wanted = move |event: &Event| {
        let is_log = matches!(event.what, Happening::Log { .. } | Happening::Progress { .. });
        task.as_ref().is_none_or(|task| event.task == *task) && (logs || !is_log)
    };
    let events = events.filter(move |event| std::future::ready(wanted(event)));
    let sent = events.map(|event| Sent::default().event(event.what.token()).json_data(&event));
    Ok(stream(site.clone(), caller, counted, sent.filter_map(|sent| std::future::ready(sent.ok()))))
}

/// Streams the lines that a job logs from now on.
#[utoipa::path(get, path = "/tenants/{tenant}/jobs/{id}/logs/stream", tag = "live",
    params(("tenant" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/event-stream"), Reads))]
pub async fn logs(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Named((tenant, id)): Named<(TenantName, JobId)>,
) -> Result<Response, Problem> {
    let within = site.enter(&caller, &tenant, Role::Operator).await?;
    let counted = site.limits.stream(&caller.name)?;
    let events = within.client.events_of(&id).await.map_err(Problem::broker)?;
    let shown = |event: Event| {
        let told = match &event.what {
            Happening::Log { line } => {
                Some(serde_json::json!({"attempt": event.attempt, "at": event.at, "line": line}))
            }
            Happening::Finished { outcome, .. } => {
                Some(serde_json::json!({"attempt": event.attempt, "outcome": outcome}))
            }
            _ => None,
        };
        let name = event.what.token();
        std::future::ready(told.and_then(|told| Sent::default().event(name).json_data(told).ok()))
    };
    Ok(stream(site.clone(), caller, counted, events.filter_map(shown)))
}

/// Sends events until the reader goes, the token opens nothing any more, or the server stops.
fn stream(
    site: Arc<Site>,
    caller: Caller,
    counted: Counted,
    events: impl Stream<Item = Sent> + Send + Unpin + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel::<Sent>(WAITING_MAX);
    let left_out = Arc::new(AtomicU64::new(0));
    tokio::spawn(pass_on(site, caller, (sender, left_out.clone()), events));
    let told = futures::stream::unfold((receiver, counted), move |(mut receiver, counted)| {
        let left_out = left_out.clone();
        async move {
            let event = receiver.recv().await?;
            let lost = left_out.swap(0, Ordering::Relaxed);
            let lagged = Sent::default().event("lagged").data(format!("{{\"left_out\":{lost}}}"));
            let sent: Vec<Result<Sent, Infallible>> =
                if lost > 0 { vec![Ok(event), Ok(lagged)] } else { vec![Ok(event)] };
            Some((futures::stream::iter(sent), (receiver, counted)))
        }
    });
    Sse::new(told.flatten()).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")).into_response()
}

async fn pass_on(
    site: Arc<Site>,
    caller: Caller,
    (sender, left_out): (mpsc::Sender<Sent>, Arc<AtomicU64>),
    mut events: impl Stream<Item = Sent> + Send + Unpin,
) {
    let mut changes = site.auth.book.changes();
    let mut look = tokio::time::interval(LOOK_EVERY);
    let end = tokio::time::sleep(LASTS);
    tokio::pin!(end);
    let opens = || caller.token.as_ref().is_none_or(|token| site.auth.book.holds(token, now()));
    // the first byte says that the stream is open: what is submitted after it is seen
    let _the_reader_may_be_gone = sender.try_send(Sent::default().comment("open"));
    loop {
        tokio::select! {
            () = site.stop.cancelled() => return,
            () = &mut end => return,
            () = sender.closed() => return,
            changed = changes.changed() => if changed.is_err() || !opens() { return },
            _ = look.tick() => if !opens() { return },
            event = events.next() => {
                let Some(event) = event else { return };
                if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(event) {
                    left_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
