//! Payloads and results for people: JSON laid out, text as it is, other bytes as such; never more than a page bears.

/// The most characters that are shown.
const CHARS_MAX: usize = 64 * 1024;
/// The most bytes that are shown of what is no text.
const BYTES_SHOWN: usize = 512;

/// A body as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// What it is, with its size.
    pub kind: String,
    /// The text.
    pub text: String,
    /// Why there is none.
    pub none: &'static str,
}

impl Body {
    /// There is none, because.
    pub fn none(why: &'static str) -> Self {
        Self { none: why, ..Self::default() }
    }

    /// A body of this type.
    pub fn of(bytes: &[u8], content_type: Option<&str>) -> Self {
        let size = super::text::bytes(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if bytes.is_empty() {
            return Self::none("It is empty.");
        }
        let kind =
            |kind: &str| format!("{} · {size}", content_type.unwrap_or(kind).chars().take(80).collect::<String>());
        let Ok(text) = std::str::from_utf8(bytes) else {
            let shown = bytes.get(..bytes.len().min(BYTES_SHOWN)).unwrap_or_default();
            let lines: Vec<String> = shown.chunks(16).map(hex::encode).collect();
            return Self { kind: kind("bytes"), text: lines.join("\n"), none: "" };
        };
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) if bytes.len() <= CHARS_MAX => {
                let pretty = serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned());
                Self { kind: kind("JSON"), text: cut(&pretty), none: "" }
            }
            Ok(_) | Err(_) => Self { kind: kind("text"), text: cut(text), none: "" },
        }
    }
}

/// A text that a page bears.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}\n… cut here", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_shown_for_what_they_are() {
        assert_eq!(Body::of(b"{\"a\":1}", None).text, "{\n  \"a\": 1\n}");
        assert_eq!(Body::of(b"<b>hi", Some("text/html")).kind, "text/html · 5 B");
        assert_eq!(Body::of(&[0xff, 0], None).text, "ff00");
        assert!(Body::of(b"", None).text.is_empty());
        let long = "ä".repeat(CHARS_MAX + 1);
        assert!(Body::of(long.as_bytes(), None).text.ends_with("cut here"));
        assert!(Body::of(&[0xff; 10_000], None).text.len() < 1_200);
    }
}
