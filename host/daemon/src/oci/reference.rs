//! Names of artefacts: `oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:…]`.

use lovage_job::name::Digest;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The scheme of a reference.
pub const SCHEME: &str = "oci://";
/// The longest repository name, in bytes.
const REPOSITORY_BYTES_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;

/// Which artefact of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What a tag names now.
    Tag(String),
    /// What a digest names for ever.
    Digest(Digest),
}

/// The name of an artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry: its host, and its port where one is given.
    pub host: String,
    /// The repository.
    pub repository: String,
    /// Which artefact of it.
    pub target: Target,
}

/// A text that names no artefact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not the name of an artefact: {reason}; write oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:…]")]
pub struct ReferenceError {
    value: String,
    reason: &'static str,
}

impl Reference {
    /// The last part of the repository's name.
    pub fn last_part(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the registry is on this machine.
    pub fn is_loopback(&self) -> bool {
        let url = url::Url::parse(&format!("https://{}", self.host)).ok();
        match url.as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(url::Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => false,
        }
    }

    /// The artefact of this repository with that digest.
    pub fn at(&self, digest: &Digest) -> Self {
        Self { target: Target::Digest(digest.clone()), ..self.clone() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.target {
            Target::Tag(_) => ':',
            Target::Digest(_) => '@',
        };
        write!(f, "{SCHEME}{}/{}{mark}{}", self.host, self.repository, self.target)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refused = |reason| ReferenceError { value: text.chars().take(200).collect(), reason };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| refused("it does not begin with oci://"))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| refused("it names no repository"))?;
        if !is_host(host) {
            return Err(refused("that is no host"));
        }
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => {
                let digest = digest.parse().map_err(|_| refused("the digest is not sha256: and 64 digits"))?;
                (path, Some(digest))
            }
            None => (path, None),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_repository(repository) {
            return Err(refused("a repository is of a-z, 0-9, single separators . _ - and /"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refused("a tag is of letters, digits, '.', '_' and '-', at most 128"));
        }
        let target = match (digest, tag) {
            // what a digest names is what it names, whatever the tag beside it
            (Some(digest), _) => Target::Digest(digest),
            (None, tag) => Target::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { host: host.to_ascii_lowercase(), repository: repository.to_owned(), target })
    }
}

/// A host with an optional port, and nothing of a URL beside it.
fn is_host(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    let url = url::Url::parse(&format!("https://{text}/"));
    !text.is_empty() && text.len() <= 255 && plain && url.is_ok_and(|url| url.host().is_some() && url.path() == "/")
}

fn is_repository(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let part = |part: &str| {
        let dashes = part.split('-').filter(|piece| !piece.is_empty());
        let pieces = dashes.flat_map(|piece| piece.split("__")).flat_map(|piece| piece.split(['.', '_']));
        !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && { pieces }.all(word)
    };
    text.len() <= REPOSITORY_BYTES_MAX && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= TAG_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let hex = "a".repeat(64);
        for (text, shown) in [
            ("oci://localhost:5000/team/word-stats:1.2", "oci://localhost:5000/team/word-stats:1.2"),
            ("oci://registry.example/a", "oci://registry.example/a:latest"),
            ("oci://[::1]:80/a__b/c.d--e:V_1", "oci://[::1]:80/a__b/c.d--e:V_1"),
            (&format!("oci://h.example/a@sha256:{hex}"), &format!("oci://h.example/a@sha256:{hex}")),
            (&format!("oci://h.example/a:1@sha256:{hex}"), &format!("oci://h.example/a@sha256:{hex}")),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("oci://h/{}", "a".repeat(256));
        for bad in [
            "",
            "localhost:5000/a",
            "https://localhost/a",
            "oci://",
            "oci://host",
            "oci://host/",
            "oci:///a",
            "oci://user@host/a",
            "oci://ho st/a",
            "oci://host:99999/a",
            "oci://host/A",
            "oci://host/a//b",
            "oci://host/../a",
            "oci://host/a:",
            "oci://host/a:-x",
            "oci://host/a?x=1",
            "oci://host/a#x",
            "oci://host/a%2e",
            "oci://host/-a",
            "oci://host/a-",
            "oci://host/a..b",
            "oci://host/a@sha256:ab",
            "oci://host/a@sha512:ab",
            "oci://host/a\r\nx: y",
            &long,
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (host, loopback) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("[::1]:5000", true),
            ("127.1", true),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("10.0.0.1", false),
        ] {
            let reference: Reference = format!("oci://{host}/a").parse().unwrap();
            assert_eq!(reference.is_loopback(), loopback, "{host}");
        }
    }
}
