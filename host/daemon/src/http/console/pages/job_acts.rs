//! What can be done about one job.

use super::super::answer::{Answer, done};
use super::super::visit::Visit;
use crate::http::act::dead::{self, ReplayBody};
use crate::http::act::jobs::{self, CancelBody};
use crate::http::problem::Problem;
use axum::Form;
use axum::extract::Path;
use lovage_job::name::JobId;
use serde::Deserialize;

/// How long a running guest may take to stop by itself.
const GRACE: &str = "3s";

/// A version to replay on; empty for the one that the job asked for.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    version: String,
}

impl Wanted {
    /// As a request says it.
    pub fn body(&self) -> ReplayBody {
        let version = self.version.trim();
        ReplayBody { version: (!version.is_empty()).then(|| version.to_owned()) }
    }
}

fn id_of(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| Problem::not_found("such job"))
}

/// `POST /jobs/{tenant}/{id}/cancel`
pub async fn cancel(visit: Visit, Path((tenant, id)): Path<(String, String)>) -> Answer {
    let ((visit, tenant), id) = (visit.into_tenant(&tenant)?, id_of(&id)?);
    let body = CancelBody { reason: None, grace: Some(GRACE.to_owned()) };
    let result = jobs::cancel(&visit.site, &visit.caller, &tenant, (&id, &body)).await;
    visit.state.look_again().await;
    let place = format!("/jobs/{tenant}/{id}");
    done(result, &place, &place, |view| match view.outcome {
        "already-done" => format!("job {id} had ended before"),
        "requested" => format!("job {id} is asked to stop"),
        _ => format!("job {id} is cancelled"),
    })
}

/// `POST /jobs/{tenant}/{id}/replay`
pub async fn replay(visit: Visit, Path((tenant, id)): Path<(String, String)>, Form(wanted): Form<Wanted>) -> Answer {
    let ((visit, tenant), id) = (visit.into_tenant(&tenant)?, id_of(&id)?);
    let result = dead::replay(&visit.site, &visit.caller, &tenant, (&id, &wanted.body())).await;
    let place = format!("/jobs/{tenant}/{id}");
    done(result, &place, &place, |view| match view.outcome {
        "already" => format!("job {id} was replayed before"),
        _ => format!("job {id} is in its queue again"),
    })
}
