//! What a receiver's answer means: pure.

use crate::ports::Delivered;
use lovage_job::outcome::{Failure, Output, RetryHint};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    /// The start of the body.
    pub(super) start: Vec<u8>,
}

impl Answer {
    /// Taken with 2xx. A fault of the request stays one, so it is not tried again, but for those that pass: 408, 425 and
    /// 429. A redirect is not followed, since its target was not checked, and is permanent. All else may pass.
    pub(super) fn judge(&self, now: SystemTime) -> Delivered {
        let told = self.told();
        match self.status {
            200..=299 => Delivered::Taken(Output {
                body: serde_json::to_vec(&told).unwrap_or_default(),
                content_type: "application/json".to_owned(),
            }),
            status => {
                let retry = match status {
                    408 | 425 | 429 | 500..=599 => self.hint(now),
                    _ => RetryHint::Never,
                };
                let about = match status {
                    300..=399 => "; redirects are not followed",
                    410 => "; it wants no more webhooks",
                    _ => "",
                };
                Delivered::Failed(Failure {
                    message: format!("the receiver answered {status}{about}"),
                    details: Some(told),
                    retry,
                })
            }
        }
    }

    fn told(&self) -> Value {
        json!({"status": self.status, "body": String::from_utf8_lossy(&self.start)})
    }

    fn hint(&self, now: SystemTime) -> RetryHint {
        let Some(text) = self.retry_after.as_deref().map(str::trim) else { return RetryHint::Retry };
        if let Ok(seconds) = text.parse() {
            return RetryHint::After(Duration::from_secs(seconds));
        }
        match httpdate::parse_http_date(text) {
            Ok(time) => RetryHint::After(time.duration_since(now).unwrap_or_default()),
            Err(_) => RetryHint::Retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(status: u16, retry_after: Option<&str>) -> Option<RetryHint> {
        let answer = Answer { status, retry_after: retry_after.map(str::to_owned), start: b"x\xff".to_vec() };
        match answer.judge(SystemTime::UNIX_EPOCH) {
            Delivered::Taken(_) => None,
            Delivered::Failed(failure) => Some(failure.retry),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        assert!([200, 204, 299].iter().all(|status| hint(*status, None).is_none()));
        for status in [301, 302, 307, 400, 401, 404, 410, 422, 600, 100] {
            assert_eq!(hint(status, Some("5")), Some(RetryHint::Never), "{status}");
        }
        for status in [408, 425, 429, 500, 503, 599] {
            assert_eq!(hint(status, None), Some(RetryHint::Retry), "{status}");
        }
    }

    #[test]
    fn a_receiver_says_when_to_come_again() {
        let after = |seconds| Some(RetryHint::After(Duration::from_secs(seconds)));
        assert_eq!(hint(503, Some(" 7 ")), after(7));
        assert_eq!(hint(429, Some("Thu, 01 Jan 1970 00:01:00 GMT")), after(60));
        assert_eq!(hint(429, Some("soon")), Some(RetryHint::Retry));
    }
}
