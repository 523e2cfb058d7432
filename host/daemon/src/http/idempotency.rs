//! Requests with an `Idempotency-Key`: sent again, they are answered as the first time and do nothing more.
//!
//! The key is of the caller and the tenant. Besides, the ids of jobs are made from it: where a server dies between the
//! submission and its answer, the same request submits the same job, which the broker has already.

use super::auth::Caller;
use super::problem::{Code, Problem};
use super::site::Site;
use crate::nats::requests::{Begun, Kept, begin};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lovage_job::name::{JobId, TenantName};
use lovage_job::token::hash;
use serde::Serialize;
use std::time::Duration;

/// The header.
const HEADER: &str = "idempotency-key";
/// The longest key.
const KEY_LENGTH_MAX: usize = 255;
/// The largest answer that is kept.
const ANSWER_BYTES_MAX: usize = 900_000;

/// A key of a caller for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of a request, where it has one.
    pub fn of(headers: &HeaderMap, caller: &Caller, tenant: &TenantName) -> Result<Option<Self>, Problem> {
        let Some(given) = headers.get(HEADER) else { return Ok(None) };
        let text = given.to_str().unwrap_or_default();
        if text.is_empty() || text.len() > KEY_LENGTH_MAX {
            let detail = format!("Idempotency-Key needs 1 to {KEY_LENGTH_MAX} printable characters");
            return Err(Problem::new(Code::BadRequest, detail));
        }
        let whole = hash(&format!("{tenant}\n{}\n{text}", caller.name));
        Ok(Some(Self(whole.chars().take(40).collect())))
    }

    /// The id of the job with this place in the request.
    pub fn job_id(&self, place: usize) -> Option<JobId> {
        format!("idem-{}-{place}", self.0).parse().ok()
    }
}

/// Does a request, once for each key; `request` tells one request from another.
pub async fn once<T: Serialize>(
    site: &Site,
    tenant: &TenantName,
    (key, request): (Option<&Key>, &impl Serialize),
    act: impl Future<Output = Result<(StatusCode, T), Problem>>,
) -> Result<Response, Problem> {
    let Some(key) = key else {
        let (status, answer) = act.await?;
        return Ok((status, axum::Json(answer)).into_response());
    };
    let request = hash(&serde_json::to_string(request).map_err(Problem::internal)?);
    let claim = match begin(&site.js, tenant, &key.0, &request).await? {
        Begun::First(claim) => claim,
        Begun::Before(kept) => return before(&kept, &request),
    };
    match act.await {
        Ok((status, answer)) => {
            let body = serde_json::to_string(&answer).map_err(Problem::internal)?;
            if body.len() <= ANSWER_BYTES_MAX {
                claim.answered(status.as_u16(), body.clone()).await?;
            }
            Ok(json(status, body))
        }
        Err(problem) => {
            // nothing was done: the request may be sent again
            claim.not_done().await?;
            Err(problem)
        }
    }
}

fn before(kept: &Kept, request: &str) -> Result<Response, Problem> {
    if kept.request != request {
        return Err(Problem::new(Code::KeyReused, "take a new key for another request"));
    }
    let Some(answer) = &kept.answer else {
        let problem = Problem::new(Code::KeyInUse, "the first request is not answered yet");
        return Err(problem.retry_after(Duration::from_secs(1)));
    };
    let status = StatusCode::from_u16(answer.status).map_err(Problem::internal)?;
    let mut response = json(status, answer.body.clone());
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_their_caller_and_tenant() {
        let mut headers = HeaderMap::new();
        let caller = |name: &str| Caller { name: name.to_owned(), ..Caller::dev() };
        let (a, b): (TenantName, TenantName) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(Key::of(&headers, &caller("x"), &a).unwrap(), None);
        headers.insert(HEADER, HeaderValue::from_static("k"));
        let key = |who: &str, tenant| Key::of(&headers, &caller(who), tenant).unwrap().unwrap();
        assert_eq!(key("x", &a), key("x", &a));
        assert!(key("x", &a) != key("y", &a) && key("x", &a) != key("x", &b));
        assert!(key("x", &a).job_id(999).is_some());
        for bad in ["", &"k".repeat(KEY_LENGTH_MAX + 1)] {
            headers.insert(HEADER, HeaderValue::from_str(bad).unwrap());
            assert_eq!(Key::of(&headers, &caller("x"), &a).unwrap_err().code, Code::BadRequest);
        }
    }
}
