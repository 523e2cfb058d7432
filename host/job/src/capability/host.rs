//! Hosts: what a request goes to, and the patterns that allow it. Read strictly, since what two readers take for
//! different hosts is a way around a rule.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest host name, in bytes; that of the domain name system.
const HOST_BYTES_MAX: usize = 253;
/// The longest part of a host name between two dots.
const LABEL_BYTES_MAX: usize = 63;

/// A text that names no host, or no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("host {value:?} is not valid: {rule}")]
pub struct HostError {
    /// The text, cut to a printable length.
    pub value: String,
    /// What would be right.
    pub rule: &'static str,
}

const EMPTY: &str = "give a host, such as api.example.com, *.example.com or http://10.0.0.1:8080";
const SCHEME: &str = "write the host alone for https, or http:// before it for plain HTTP";
const PATH: &str = "a host has no path, query or user before it";
const PORT: &str = "a port is a number from 1 to 65535";
const LABELS: &str = "use letters, digits and '-' in parts of 1 to 63 with dots between them; write others in punycode";
const NUMBER: &str = "an address is four numbers from 0 to 255 with dots between them, without leading zeros";
const BRACKETS: &str = "an IPv6 address stands in brackets, such as [2001:db8::1]:8443";
const STAR: &str = "a star stands for what is before a domain of two parts at least, as in *.example.com";
const EVERY: &str = "a star alone is for a tenant's ceiling; name the hosts of a task";

fn error(value: &str, rule: &'static str) -> HostError {
    HostError { value: value.chars().take(60).collect(), rule }
}

/// A host as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By name, in lower case.
    Name(String),
    /// By address.
    Address(IpAddr),
}

impl FromStr for Host {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or_else(|| error(text, BRACKETS))?;
            let address: Ipv6Addr = inner.parse().map_err(|_| error(text, BRACKETS))?;
            return Ok(Self::Address(address.into()));
        }
        if text.len() > HOST_BYTES_MAX {
            return Err(error(text, LABELS));
        }
        let name = text.to_ascii_lowercase();
        let good = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !name.split('.').all(good) {
            return Err(error(text, LABELS));
        }
        // what ends in a number is an address to some resolvers, in forms that others read otherwise
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if numeric {
            let address: Ipv4Addr = name.parse().map_err(|_| error(text, NUMBER))?;
            return Ok(Self::Address(address.into()));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The port where none is named.
fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// The host and the port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(text: &str, tls: bool) -> Result<(&str, u16), HostError> {
    let place = match text.rfind(']') {
        Some(end) => text.get(end..).and_then(|rest| rest.find(':')).map(|place| end + place),
        None => text.find(':'),
    };
    let Some(place) = place else { return Ok((text, usual_port(tls))) };
    let (host, port) = (text.get(..place).unwrap_or_default(), text.get(place + 1..).unwrap_or_default());
    // `u16` would take a sign and zeros before the number
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let port = port.parse().ok().filter(|port| plain && *port > 0);
    Ok((host, port.ok_or_else(|| error(text, PORT))?))
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Destination {
    /// The destination of a request to `authority`.
    pub fn new(tls: bool, authority: &str) -> Result<Self, HostError> {
        if authority.is_empty() {
            return Err(error(authority, EMPTY));
        }
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(error(authority, PATH));
        }
        let (host, port) = split_port(authority, tls)?;
        Ok(Self { tls, host: host.parse()?, port })
    }

    /// The host with its port, where that is not the usual one: the value of the header `host`.
    pub fn authority(&self) -> String {
        if self.port == usual_port(self.tls) { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.tls { "https://" } else { "http://" }, self.authority())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pattern {
    One(Host),
    /// Every name that ends in a dot and this, and not this itself.
    Below(String),
}

/// A pattern of hosts with one scheme and one port: `host`, `host:port`, `*.domain`, `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostRule {
    pattern: Pattern,
    port: u16,
    tls: bool,
}

impl HostRule {
    /// Whether a request may go there by this rule.
    pub fn allows(&self, to: &Destination) -> bool {
        let named = match (&self.pattern, &to.host) {
            (Pattern::One(host), other) => host == other,
            (Pattern::Below(domain), Host::Name(name)) => is_below(name, domain),
            (Pattern::Below(_), Host::Address(_)) => false,
        };
        named && (self.tls, self.port) == (to.tls, to.port)
    }

    /// Whether all that `other` allows is allowed by this rule.
    pub fn covers(&self, other: &HostRule) -> bool {
        let named = match (&self.pattern, &other.pattern) {
            (Pattern::Below(domain), Pattern::One(Host::Name(name))) => is_below(name, domain),
            (Pattern::Below(domain), Pattern::Below(inner)) => inner == domain || is_below(inner, domain),
            (mine, others) => mine == others,
        };
        named && (self.tls, self.port) == (other.tls, other.port)
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

impl FromStr for HostRule {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(error(text, SCHEME)),
            None => (true, text),
        };
        if rest == "*" {
            return Err(error(text, EVERY));
        }
        let named = |fault: HostError| error(text, fault.rule);
        let Some(below) = rest.strip_prefix("*.") else {
            let to = Destination::new(tls, rest).map_err(named)?;
            return Ok(Self { pattern: Pattern::One(to.host), port: to.port, tls });
        };
        let to = Destination::new(tls, below).map_err(named)?;
        match to.host {
            Host::Name(domain) if domain.contains('.') => {
                Ok(Self { pattern: Pattern::Below(domain), port: to.port, tls })
            }
            Host::Name(_) | Host::Address(_) => Err(error(text, STAR)),
        }
    }
}

impl TryFrom<String> for HostRule {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<HostRule> for String {
    fn from(rule: HostRule) -> String {
        rule.to_string()
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "" } else { "http://" };
        let port = if self.port == usual_port(self.tls) { String::new() } else { format!(":{}", self.port) };
        match &self.pattern {
            Pattern::One(host) => f.pad(&format!("{scheme}{host}{port}")),
            Pattern::Below(domain) => f.pad(&format!("{scheme}*.{domain}{port}")),
        }
    }
}

/// Hosts that a tenant's tasks may be granted: those of a rule, or with `*` all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostCeiling {
    /// Every host, by HTTP and HTTPS, at every port. Whether its address may be reached is checked all the same.
    Every,
    /// Those of a rule.
    Rule(HostRule),
}

impl HostCeiling {
    /// Whether a task may be granted `rule`.
    pub fn covers(&self, rule: &HostRule) -> bool {
        match self {
            Self::Every => true,
            Self::Rule(own) => own.covers(rule),
        }
    }
}

impl FromStr for HostCeiling {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        if text == "*" { Ok(Self::Every) } else { text.parse().map(Self::Rule) }
    }
}

impl TryFrom<String> for HostCeiling {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<HostCeiling> for String {
    fn from(ceiling: HostCeiling) -> String {
        ceiling.to_string()
    }
}

impl fmt::Display for HostCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.pad("*"),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
