//! What a request is told when it is not done: problem+json with a stable code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;
use std::time::Duration;
use utoipa::ToSchema;

/// Every code, with its status and its title.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong, in a word that stays the same over versions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of the answer.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it means, for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// A path, query or header is not what it should be.
    BadRequest = "bad-request", BAD_REQUEST, "the request is not understood";
    /// A cursor was not made by this server.
    BadCursor = "bad-cursor", BAD_REQUEST, "the cursor is not one of this listing";
    /// The body is not what it should be.
    BadBody = "bad-body", UNPROCESSABLE_ENTITY, "the body is not what this route takes";
    /// The input is not what the task takes.
    BadInput = "bad-input", UNPROCESSABLE_ENTITY, "the input is not what the task takes";
    /// The uploaded component is refused.
    BadComponent = "bad-component", UNPROCESSABLE_ENTITY, "the component is refused";
    /// The body has another media type.
    WrongType = "wrong-media-type", UNSUPPORTED_MEDIA_TYPE, "the body has another media type than this route takes";
    /// The body is too large.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "the body is larger than this route takes";
    /// No token, or one that opens nothing.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "a valid token is needed";
    /// The role is too low.
    Forbidden = "forbidden", FORBIDDEN, "the role of this token is too low";
    /// The request comes from a page of another site.
    CrossSite = "cross-site", FORBIDDEN, "the request comes from another site";
    /// The server does not go by this name.
    WrongHost = "wrong-host", MISDIRECTED_REQUEST, "this server does not go by that name";
    /// No such route, tenant, task, job or other thing, or none that this token opens.
    NotFound = "not-found", NOT_FOUND, "there is no such thing, or none that this token opens";
    /// The route has no such method.
    NoMethod = "method-not-allowed", METHOD_NOT_ALLOWED, "the route has no such method";
    /// It is there already, or in a state that does not allow it.
    Conflict = "conflict", CONFLICT, "what is there does not allow it";
    /// A request with the same idempotency key is under way.
    KeyInUse = "idempotency-key-in-use", CONFLICT, "a request with this idempotency key is under way";
    /// The idempotency key was used with another request.
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "this idempotency key belongs to another request";
    /// The tenant is at a quota.
    Quota = "quota", TOO_MANY_REQUESTS, "the tenant is at its quota";
    /// Too many requests.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "this token asks too often";
    /// Too many requests at once.
    TooMany = "too-many-at-once", TOO_MANY_REQUESTS, "this token has too many requests or streams open";
    /// The request took too long to arrive.
    TooSlow = "request-timeout", REQUEST_TIMEOUT, "the request did not arrive in time";
    /// The server is at its limit.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "the server has as many requests as it takes";
    /// The broker does not answer or refuses.
    BrokerUnavailable = "broker-unavailable", SERVICE_UNAVAILABLE, "the broker does not do it now";
    /// The database does not answer, is full, or is not there.
    HistoryUnavailable = "history-unavailable", SERVICE_UNAVAILABLE, "the history does not answer now";
    /// It was not done in time.
    NotInTime = "not-in-time", GATEWAY_TIMEOUT, "it was not done in time";
    /// A fault of this server.
    Internal = "internal", INTERNAL_SERVER_ERROR, "a fault of this server";
}

/// Why a request is not done.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The kind.
    pub code: Code,
    /// What is wrong in this case; names the value at fault.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// A problem as it is sent, by RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:lovage:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, for people.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// The code, which stays the same over versions.
    pub code: &'static str,
    /// What is wrong in this case.
    pub detail: String,
}

impl Problem {
    /// A problem with what is wrong in this case.
    pub fn new(code: Code, detail: impl Display) -> Self {
        Self { code, detail: detail.to_string(), retry_after: None }
    }

    /// No such thing.
    pub fn not_found(what: impl Display) -> Self {
        Self::new(Code::NotFound, format_args!("there is no {what}"))
    }

    /// Tells when to try again.
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// What is sent.
    pub fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:lovage:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: self.detail.clone(),
        }
    }

    /// A fault of the broker; its words go to the log.
    pub fn broker(error: impl Display) -> Self {
        tracing::warn!(error = %error, "the broker did not do what was asked");
        Self::new(Code::BrokerUnavailable, "the broker does not answer or refuses; try again")
            .retry_after(Duration::from_secs(1))
    }

    /// A fault of this server; the words go to the log.
    pub fn internal(error: impl Display) -> Self {
        tracing::error!(error = %error, "a request failed by a fault of this server");
        Self::new(Code::Internal, "the server's log has the reason")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lovage\""));
        }
        if let Some(span) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(span.as_secs_f64().ceil() as u64));
        }
        // for the log and for pages, which show problems in their own way
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_words_of_their_own() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }

    #[test]
    fn every_code_is_in_the_reference() {
        let reference = include_str!("../../../docs/HTTP.md");
        for code in Code::ALL {
            let row = format!("| `{}` | {} |", code.as_str(), code.status().as_u16());
            assert!(reference.contains(&row), "HTTP.md lacks {row}");
        }
    }

    #[test]
    fn a_problem_says_when_to_come_back() {
        let problem = Problem::new(Code::RateLimited, "slow down").retry_after(Duration::from_millis(1_200));
        let response = problem.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
