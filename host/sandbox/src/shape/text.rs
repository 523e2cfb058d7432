//! What a guest says about itself, made fit for headers and records: bounded, and on one line where it must be.

use crate::attempt::journal::clipped;

/// Bytes of a message of a failure.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of the details of a failure.
pub(crate) const DETAILS_BYTES_MAX: usize = 64 << 10;
/// The media type of results whose task names none, or none that can stand in a header.
pub(crate) const BYTES_TYPE: &str = "application/octet-stream";
/// The media type of JSON.
pub(crate) const JSON_TYPE: &str = "application/json";

/// A message, cut to a bounded length.
pub(crate) fn message(text: &str) -> String {
    clipped(text, MESSAGE_BYTES_MAX).to_owned()
}

/// Details as the guest wrote them: JSON where it is, else text; nothing where there is too much.
pub(crate) fn details(text: &str) -> Option<serde_json::Value> {
    if text.len() > DETAILS_BYTES_MAX {
        return None;
    }
    Some(serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text)))
}

/// A media type that may stand in a header.
pub(crate) fn content_type(text: &str) -> String {
    let fits =
        (1..=255).contains(&text.len()) && text.contains('/') && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if fits { text.to_owned() } else { BYTES_TYPE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_cannot_carry_line_breaks() {
        assert_eq!(content_type("text/plain; charset=utf-8"), "text/plain; charset=utf-8");
        for bad in ["", "a/b\r\nX: y", "text", "é/b", &"a/".repeat(200)] {
            assert_eq!(content_type(bad), BYTES_TYPE, "{bad:?}");
        }
    }

    #[test]
    fn details_are_json_or_text_or_too_long() {
        assert_eq!(details("{\"a\":1}"), Some(serde_json::json!({ "a": 1 })));
        assert_eq!(details("not json"), Some(serde_json::json!("not json")));
        assert_eq!(details(&"x".repeat(DETAILS_BYTES_MAX + 1)), None);
    }
}
