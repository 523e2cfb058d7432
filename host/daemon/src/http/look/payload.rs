//! Payloads and outputs as they are shown: the one place that keeps them from viewers, and that makes of hostile bytes
//! something that can be sent as JSON.

use crate::http::auth::Caller;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The most bytes that are shown within a document; the whole has a route of its own.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// Bytes of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayloadView {
    /// How many there are.
    pub size_bytes: u64,
    /// The media type that whoever wrote them claims; never believe it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether the role is too low to see them.
    pub redacted: bool,
    /// Whether only the beginning is shown, in `text` or `base64`.
    pub cut: bool,
    /// As JSON, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub json: Option<Box<RawValue>>,
    /// As text, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// As base64, where they are neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl PayloadView {
    /// Shows what the caller may see.
    pub fn of(caller: &Caller, bytes: &[u8], content_type: Option<&str>) -> Self {
        let mut view = Self {
            size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            content_type: content_type.map(str::to_owned),
            redacted: !caller.sees_payloads(),
            cut: bytes.len() > SHOWN_BYTES_MAX,
            json: None,
            text: None,
            base64: None,
        };
        if view.redacted {
            view.cut = false;
            return view;
        }
        let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
        view.json = if view.cut { None } else { serde_json::from_slice(shown).ok() };
        if view.json.is_none() {
            match text(shown, view.cut) {
                Some(text) => view.text = Some(text.to_owned()),
                None => view.base64 = Some(STANDARD.encode(shown)),
            }
        }
        view
    }
}

/// Bytes as text. A character that was cut through at the end is left out.
fn text(bytes: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok())
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::Role;

    #[test]
    fn bytes_are_json_text_or_neither_and_viewers_see_none() {
        let operator = Caller { role: Role::Operator, ..Caller::dev() };
        let of = |bytes: &[u8]| PayloadView::of(&operator, bytes, Some("text/html"));
        assert_eq!(of(br#"{"n": 1e400}"#).json.unwrap().get(), r#"{"n": 1e400}"#);
        assert_eq!(of(b"<script>").text.as_deref(), Some("<script>"));
        assert_eq!(of(&[0, 255]).base64.as_deref(), Some("AP8="));
        let long = of("é".repeat(SHOWN_BYTES_MAX).as_bytes());
        assert!(long.cut && long.text.unwrap().len() <= SHOWN_BYTES_MAX);
        let odd = of(format!("a{}", "é".repeat(SHOWN_BYTES_MAX)).as_bytes());
        assert_eq!(odd.text.unwrap().len(), SHOWN_BYTES_MAX - 1);
        let viewer = Caller { role: Role::Viewer, ..Caller::dev() };
        let view = PayloadView::of(&viewer, b"secret", None);
        assert!(view.redacted && view.size_bytes == 6);
        assert!(!serde_json::to_string(&view).unwrap().contains("secret"));
    }
}
