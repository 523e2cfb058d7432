//! What happens to one job, as it happens: server-sent events for its page. They may be lost; the page asks for the truth.

use super::super::visit::Visit;
use crate::http::problem::Problem;
use axum::extract::Path;
use axum::response::Sse;
use axum::response::sse::{Event as Sent, KeepAlive};
use futures::{Stream, StreamExt};
use lovage_job::event::Happening;
use lovage_job::name::JobId;
use std::convert::Infallible;
use std::time::Duration;

/// The longest that a page is told; it asks again by itself then, and whoever may not any more is refused.
const TOLD_FOR: Duration = Duration::from_secs(600);
/// The most characters of a line.
const LINE_CHARS: usize = 4_000;

/// `GET /jobs/{tenant}/{id}/events`
pub async fn follow(
    visit: Visit,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let (visit, tenant) = visit.into_tenant(&tenant)?;
    let id: JobId = id.parse().map_err(|_| Problem::not_found("such job"))?;
    let counted = visit.site.limits.stream(&visit.caller.name)?;
    let sees = visit.caller.sees_payloads();
    let events = visit.client(&tenant).events_of(&id).await.map_err(Problem::broker)?;
    let told = events.filter_map(move |event| {
        // held while the page listens
        let _counted = &counted;
        std::future::ready(sent(&event.what, sees))
    });
    let stop = visit.site.stop.clone();
    let ends = async move {
        tokio::select! {
            () = stop.cancelled_owned() => {}
            () = tokio::time::sleep(TOLD_FOR) => {}
        }
    };
    Ok(Sse::new(told.map(Ok).take_until(Box::pin(ends))).keep_alive(KeepAlive::default()))
}

fn sent(what: &Happening, sees: bool) -> Option<Sent> {
    let event = Sent::default().event(what.token());
    let cut = |text: &str| text.chars().take(LINE_CHARS).collect::<String>();
    let data = match what {
        Happening::Log { line } if sees => serde_json::json!({ "line": cut(line) }),
        Happening::Progress { fraction, message } if sees => {
            serde_json::json!({ "fraction": fraction, "message": cut(message) })
        }
        Happening::Log { .. } | Happening::Progress { .. } => return None,
        Happening::Started { .. }
        | Happening::Retrying { .. }
        | Happening::Waiting { .. }
        | Happening::Released { .. }
        | Happening::Finished { .. } => serde_json::json!({}),
    };
    // what is made of texts and numbers is JSON
    event.json_data(data).ok()
}
