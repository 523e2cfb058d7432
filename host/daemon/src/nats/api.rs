//! The few messages of the JetStream protocol that the hot path speaks by itself.

use serde::{Deserialize, Serialize};

/// What a publisher gets back from a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct PublishReply {
    /// The message's place in the stream.
    #[serde(default)]
    pub seq: u64,
    /// Why the message was not stored.
    #[serde(default)]
    pub error: Option<ApiError>,
}

/// An error of the JetStream API.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiError {
    /// The number that names the error.
    #[serde(default)]
    pub err_code: u32,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// The subject has another last sequence than the publisher expects: someone else was first.
pub const WRONG_LAST_SEQUENCE: u32 = 10_071;

/// A request for messages.
#[derive(Debug, Serialize)]
pub struct PullRequest {
    /// How many.
    pub batch: usize,
    /// How long the request waits, in nanoseconds.
    pub expires: u64,
    /// A sign of life from the broker at least this often, in nanoseconds.
    pub idle_heartbeat: u64,
}

/// What an acknowledgement's address tells of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryInfo {
    /// How often the message was delivered, this time included.
    pub delivered: u64,
    /// The message's place in the stream.
    pub sequence: u64,
    /// When it was stored, in nanoseconds since the Unix epoch.
    pub stored_ns: u64,
}

impl DeliveryInfo {
    /// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>`, or the newer
    /// form with domain and account hash before the stream.
    pub fn parse(address: &str) -> Option<Self> {
        let tokens: Vec<&str> = address.split('.').collect();
        let first = match tokens.len() {
            9 => 4,
            11.. => 6,
            _ => return None,
        };
        let number = |place: usize| tokens.get(first + place)?.parse().ok();
        Some(Self { delivered: number(0)?, sequence: number(1)?, stored_ns: number(3)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_address_are_read() {
        let info = Some(DeliveryInfo { delivered: 2, sequence: 7, stored_ns: 9 });
        assert_eq!(DeliveryInfo::parse("$JS.ACK.JOBS_a.job_default.2.7.3.9.0"), info);
        assert_eq!(DeliveryInfo::parse("$JS.ACK._.hash.JOBS_a.job_default.2.7.3.9.0.token"), info);
        assert_eq!(DeliveryInfo::parse("$JS.ACK._.hash.JOBS_a.job_default.2.7.3.9.0"), info);
        assert_eq!(DeliveryInfo::parse("_INBOX.x"), None);
    }

    #[test]
    fn an_error_reply_is_told_from_a_stored_one() {
        let stored: PublishReply = serde_json::from_str(r#"{"stream":"KV_r","seq":4}"#).unwrap();
        assert!(stored.error.is_none() && stored.seq == 4);
        let refused =
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 4"},"stream":"KV_r","seq":0}"#;
        let refused: PublishReply = serde_json::from_str(refused).unwrap();
        assert_eq!(refused.error.unwrap().err_code, WRONG_LAST_SEQUENCE);
    }
}
