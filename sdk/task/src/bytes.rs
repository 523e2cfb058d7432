//! Payloads that are not JSON: a picture, a CSV file, HTML.

use std::ops::Deref;

const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Bytes that travel as they are, with their media type where it is known.
///
/// As an input it carries the media type the publisher gave; as an output, the one the task gives, or
/// `application/octet-stream`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes {
    body: Vec<u8>,
    content_type: Option<String>,
}

impl Bytes {
    /// Wraps bytes of no particular type.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), content_type: None }
    }

    /// Sets the media type, such as `image/png`.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Gives the media type, where one is known.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Takes the bytes out without a copy.
    pub fn into_vec(self) -> Vec<u8> {
        self.body
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, String) {
        (self.body, self.content_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.body
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(body: Vec<u8>) -> Self {
        Self::new(body)
    }
}

impl From<String> for Bytes {
    fn from(body: String) -> Self {
        Self::new(body)
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.into_vec()
    }
}
