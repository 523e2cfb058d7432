//! What a request brings, read so that whatever is wrong with it is told as a problem.

use crate::http::problem::{Code, Problem};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(20);

/// The names in the path.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Problem::new(Code::BadRequest, error.body_text()))
            }
            Err(error) => Err(Problem::new(Code::BadRequest, error.body_text())),
        }
    }
}

/// What is asked for after the `?`.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let told = |error: QueryRejection| Problem::new(Code::BadRequest, error.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(asked)| Self(asked)).map_err(told)
    }
}

/// The body, as JSON.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match tokio::time::timeout(BODY_WITHIN, Json::from_request(request, state)).await {
            Ok(Ok(Json(body))) => Ok(Self(body)),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(too_slow()),
        }
    }
}

/// The body did not arrive in time.
pub(super) fn too_slow() -> Problem {
    Problem::new(Code::TooSlow, format_args!("the body did not arrive within {} s", BODY_WITHIN.as_secs()))
}

fn told(error: &JsonRejection) -> Problem {
    let code = match error {
        JsonRejection::MissingJsonContentType(_) => Code::WrongType,
        JsonRejection::BytesRejection(_) if error.status() == Code::TooLarge.status() => Code::TooLarge,
        JsonRejection::BytesRejection(_) => Code::BadRequest,
        _ => Code::BadBody,
    };
    Problem::new(code, error.body_text())
}
