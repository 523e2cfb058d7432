//! The URL of a webhook: checked before a job with it is accepted, whoever publishes it.

use super::spec::FlowError;
use std::fmt;
use std::str::FromStr;

/// The longest URL of a webhook, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// A URL that a webhook may be sent to, as far as its text tells: `http` or `https`, a host, no user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(url::Url);

impl WebhookUrl {
    /// The whole URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host: a name, or an address (IPv6 in brackets).
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, also where the URL does not say it.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// What the `Host` header says: the host, with the port where it is not the scheme's own.
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Path and query, as in the first line of a request.
    pub fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }
}

impl FromStr for WebhookUrl {
    type Err = FlowError;
    fn from_str(text: &str) -> Result<Self, FlowError> {
        let shown: String = text.chars().take(100).collect();
        let bad = |reason: &str| FlowError(format!("{shown:?} is not the URL of a webhook: {reason}"));
        if text.len() > URL_BYTES_MAX {
            return Err(bad(&format!("it has {} bytes, more than {URL_BYTES_MAX}", text.len())));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(bad("it has spaces or control characters; escape them"));
        }
        let mut url = url::Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it must begin with http:// or https://"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(bad("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not carry a user or password; the receiver checks the signature"));
        }
        // a fragment is never sent
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_urls_are_taken_apart() {
        let url: WebhookUrl = "https://hooks.example.com:8443/a/b?c=d#e".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.is_https()), ("hooks.example.com", 8443, true));
        assert_eq!(url.authority(), "hooks.example.com:8443");
        assert_eq!(url.path_and_query(), "/a/b?c=d");
        let url: WebhookUrl = "http://[::1]/".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.authority().as_str()), ("[::1]", 80, "[::1]"));
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        let long = format!("https://a/{}", "x".repeat(URL_BYTES_MAX));
        for (bad, reason) in [
            ("ftp://a/b", "http://"),
            ("file:///etc/passwd", "http://"),
            ("https://user@a/", "user"),
            ("https://user:word@a/", "user"),
            ("https://", "host"),
            ("https://a b/", "spaces"),
            ("https://a/\r\nX: y", "control"),
            ("a", "not the URL"),
            (&long, "bytes"),
        ] {
            let error = bad.parse::<WebhookUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_back(text in "(https?://)?[a-z0-9:@/?#\\[\\]. %-]{0,60}") {
            if let Ok(url) = text.parse::<WebhookUrl>() {
                prop_assert_eq!(url.as_str().parse::<WebhookUrl>().unwrap(), url);
            }
        }
    }
}
