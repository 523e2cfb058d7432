//! One capability as an operator writes it: `submit`, `http=api.example.com`, `scratch=8MiB`.

use super::host::{HostError, HostRule};
use super::kind::CapabilityKind;
use crate::name::{BucketName, ContainerName, NameError, SecretName};
use crate::unit::{ByteSize, UnitError};
use std::fmt;
use std::str::FromStr;

/// The longest key of a configuration, in bytes.
pub const CONFIG_KEY_BYTES_MAX: usize = 128;
/// The longest value of a configuration, in bytes.
pub const CONFIG_VALUE_BYTES_MAX: usize = 16 << 10;
/// The largest scratch folder.
pub const SCRATCH_MAX: ByteSize = ByteSize::mib(1024);

/// One capability with what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Submit jobs.
    Submit,
    /// Send requests to these hosts.
    Http(HostRule),
    /// Use this bucket.
    KeyValue(BucketName),
    /// Use this container.
    Blobstore(ContainerName),
    /// Find this value under this key.
    Config(String, String),
    /// Read this secret.
    Secret(SecretName),
    /// Have a folder of this size.
    Scratch(ByteSize),
    /// Have the same clocks and randomness in each attempt.
    Deterministic,
}

/// A text that is no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// No such kind.
    #[error("{0:?} is no capability; there are {1}")]
    Unknown(String, String),
    /// Nothing is said of what.
    #[error("{0} needs to say of what: {form}", form = .0.form())]
    Bare(CapabilityKind),
    /// Something is said of what is whole.
    #[error("{0} takes nothing after it")]
    Whole(CapabilityKind),
    /// A bad host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A bad name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A bad size.
    #[error(transparent)]
    Size(#[from] UnitError),
    /// A folder of no size, or too large.
    #[error("a scratch folder of {0} is not between 1B and {SCRATCH_MAX}")]
    Scratch(ByteSize),
    /// A bad key.
    #[error("configuration key {0:?} is not 1 to {CONFIG_KEY_BYTES_MAX} bytes without line breaks and '='")]
    Key(String),
    /// A value that is too long.
    #[error("the value of configuration key {0:?} has {1} bytes, more than {CONFIG_VALUE_BYTES_MAX}")]
    Value(String, usize),
}

/// Checks a key of a configuration and its value.
fn check_config(key: &str, value: &str) -> Result<(), CapabilityError> {
    let shown = || key.chars().take(60).collect();
    if key.is_empty() || key.len() > CONFIG_KEY_BYTES_MAX || key.contains(|c: char| c.is_control() || c == '=') {
        return Err(CapabilityError::Key(shown()));
    }
    if value.len() > CONFIG_VALUE_BYTES_MAX {
        return Err(CapabilityError::Value(shown(), value.len()));
    }
    Ok(())
}

/// Checks the size of a folder.
fn check_scratch(size: ByteSize) -> Result<ByteSize, CapabilityError> {
    if size.0 == 0 || size > SCRATCH_MAX { Err(CapabilityError::Scratch(size)) } else { Ok(size) }
}

/// The kind of `text`, and what comes after it.
fn split(text: &str) -> Result<(CapabilityKind, Option<&str>), CapabilityError> {
    let (kind, rest) = match text.split_once('=') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    };
    match CapabilityKind::parse(kind) {
        Some(kind) => Ok((kind, rest)),
        None => {
            let known = CapabilityKind::ALL.map(CapabilityKind::form).join(", ");
            Err(CapabilityError::Unknown(kind.chars().take(60).collect(), known))
        }
    }
}

impl Capability {
    /// Its kind.
    pub fn kind(&self) -> CapabilityKind {
        match self {
            Self::Submit => CapabilityKind::Submit,
            Self::Http(_) => CapabilityKind::Http,
            Self::KeyValue(_) => CapabilityKind::KeyValue,
            Self::Blobstore(_) => CapabilityKind::Blobstore,
            Self::Config(..) => CapabilityKind::Config,
            Self::Secret(_) => CapabilityKind::Secret,
            Self::Scratch(_) => CapabilityKind::Scratch,
            Self::Deterministic => CapabilityKind::Deterministic,
        }
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let (kind, rest) = split(text)?;
        let of = rest.ok_or(CapabilityError::Bare(kind));
        match kind {
            CapabilityKind::Submit | CapabilityKind::Deterministic if rest.is_some() => {
                Err(CapabilityError::Whole(kind))
            }
            CapabilityKind::Submit => Ok(Self::Submit),
            CapabilityKind::Deterministic => Ok(Self::Deterministic),
            CapabilityKind::Http => Ok(Self::Http(of?.parse()?)),
            CapabilityKind::KeyValue => Ok(Self::KeyValue(of?.parse()?)),
            CapabilityKind::Blobstore => Ok(Self::Blobstore(of?.parse()?)),
            CapabilityKind::Secret => Ok(Self::Secret(of?.parse()?)),
            CapabilityKind::Scratch => check_scratch(of?.parse()?).map(Self::Scratch),
            CapabilityKind::Config => {
                let (key, value) = of?.split_once('=').ok_or(CapabilityError::Bare(kind))?;
                check_config(key, value)?;
                Ok(Self::Config(key.to_owned(), value.to_owned()))
            }
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Submit | Self::Deterministic => kind.fmt(f),
            Self::Http(host) => write!(f, "{kind}={host}"),
            Self::KeyValue(bucket) => write!(f, "{kind}={bucket}"),
            Self::Blobstore(container) => write!(f, "{kind}={container}"),
            Self::Config(key, value) => write!(f, "{kind}={key}={value}"),
            Self::Secret(name) => write!(f, "{kind}={name}"),
            Self::Scratch(size) => write!(f, "{kind}={size}"),
        }
    }
}

/// What is taken away: a whole kind, or one of it, such as `http`, `http=HOST` or `config=KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// All of a kind.
    Kind(CapabilityKind),
    /// One host, bucket, container or secret.
    One(Capability),
    /// The value under a key.
    Config(String),
}

impl FromStr for Denial {
    type Err = CapabilityError;
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        match split(text)? {
            (kind, None) => Ok(Self::Kind(kind)),
            (CapabilityKind::Config, Some(rest)) => {
                Ok(Self::Config(rest.split('=').next().unwrap_or_default().to_owned()))
            }
            (CapabilityKind::Scratch, Some(_)) => Ok(Self::Kind(CapabilityKind::Scratch)),
            (_, Some(_)) => text.parse().map(Self::One),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::One(capability) => capability.fmt(f),
            Self::Config(key) => write!(f, "{}={key}", CapabilityKind::Config),
        }
    }
}
