//! What an HTTP response says about a job. Pure.

use crate::shape::text;
use http::{HeaderMap, StatusCode};
use lovage_job::outcome::{Failure, Outcome, Output, RetryHint};
use std::time::{Duration, SystemTime};

/// Bytes of an error's body that are quoted.
const QUOTE_BYTES: usize = 2048;

/// A whole response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The outcome that a response means. `now` is what dates in it are compared with.
pub(crate) fn outcome(answer: Answer, now: SystemTime) -> Outcome {
    if answer.status.is_success() {
        let content_type = answer.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = text::content_type(content_type.unwrap_or(text::BYTES_TYPE));
        return Outcome::Completed(Output { body: answer.body, content_type });
    }
    let retry = match answer.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            retry_after(&answer.headers, now).map_or(RetryHint::Retry, RetryHint::After)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => RetryHint::Retry,
        status if status.is_server_error() => RetryHint::Retry,
        _ => RetryHint::Never,
    };
    Outcome::Failed(Failure { message: message(&answer), details: details(&answer), retry })
}

fn message(answer: &Answer) -> String {
    let status = answer.status;
    if !status.is_client_error() && !status.is_server_error() {
        return format!("the handler responded {status}, which says neither success nor failure");
    }
    let quote = answer.body.get(..QUOTE_BYTES).unwrap_or(&answer.body);
    match String::from_utf8_lossy(quote).trim() {
        "" => format!("the handler responded {status}"),
        quote => format!("the handler responded {status}: {quote}"),
    }
}

/// The body, where it is JSON and not too large.
fn details(answer: &Answer) -> Option<serde_json::Value> {
    if answer.body.len() > text::DETAILS_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&answer.body).ok()
}

/// The span that `Retry-After` asks for, given in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respond(status: u16, headers: &[(&'static str, &str)], body: &str) -> Outcome {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::try_from(*value).unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        outcome(Answer { status, headers: headers.collect(), body: body.as_bytes().to_vec() }, now)
    }

    fn hint(outcome: Outcome) -> RetryHint {
        match outcome {
            Outcome::Failed(failure) => failure.retry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_status_has_a_meaning() {
        for (status, expected) in [
            (100, RetryHint::Never),
            (301, RetryHint::Never),
            (304, RetryHint::Never),
            (400, RetryHint::Never),
            (404, RetryHint::Never),
            (408, RetryHint::Retry),
            (425, RetryHint::Retry),
            (429, RetryHint::Retry),
            (500, RetryHint::Retry),
            (501, RetryHint::Retry),
            (503, RetryHint::Retry),
            (599, RetryHint::Retry),
        ] {
            assert_eq!(hint(respond(status, &[], "")), expected, "{status}");
        }
        for status in [200, 201, 204] {
            assert!(matches!(respond(status, &[], "x"), Outcome::Completed(_)));
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value| hint(respond(503, &[("retry-after", value)], ""));
        assert_eq!(after("7"), RetryHint::After(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), RetryHint::After(Duration::from_secs(60)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), RetryHint::After(Duration::ZERO));
        assert_eq!(after("soon"), RetryHint::Retry);
        assert_eq!(after("99999999999999999999999"), RetryHint::Retry);
        assert_eq!(hint(respond(500, &[("retry-after", "7")], "")), RetryHint::Retry);
    }

    #[test]
    fn the_body_explains_an_error() {
        let Outcome::Failed(failure) = respond(400, &[], "{\"field\":\"text\"}") else { panic!() };
        assert_eq!(failure.message, "the handler responded 400 Bad Request: {\"field\":\"text\"}");
        assert_eq!(failure.details, Some(serde_json::json!({ "field": "text" })));
        let Outcome::Failed(failure) = respond(302, &[], "see there") else { panic!() };
        assert!(failure.message.contains("302 Found, which says neither"), "{}", failure.message);
    }

    #[test]
    fn a_result_keeps_its_media_type() {
        let Outcome::Completed(output) = respond(200, &[("content-type", "image/png")], "x") else { panic!() };
        assert_eq!((output.content_type.as_str(), output.body.as_slice()), ("image/png", b"x".as_slice()));
    }
}
