//! What a guest asks for, checked before anything goes out: where it may go, and that it is one well-formed request and
//! not two. Pure.

use super::Fault;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, http::uri::PathAndQuery};
use lovage_job::capability::{Destination, Grants};
use lovage_sandbox::{HttpAsk, HttpFault};
use std::time::Duration;

/// The largest body of a request.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;
/// The most bytes of headers.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// The longest path with its query.
const PATH_BYTES_MAX: usize = 8 << 10;
/// The longest that a guest may wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a guest may wait for the first byte of an answer.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(30);
/// The longest that a guest may wait between two bytes of an answer.
const BETWEEN_BYTES_WITHIN: Duration = Duration::from_secs(10);

/// Headers of one connection, which are ours to set.
pub(super) const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// A request that may be made.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) to: Destination,
    pub(super) method: Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) connect_within: Duration,
    pub(super) first_byte_within: Duration,
    pub(super) between_bytes_within: Duration,
}

/// Checks a request.
pub(super) fn check(ask: HttpAsk, grants: &Grants) -> Result<Checked, Fault> {
    let bad = |error: &dyn std::fmt::Display| Fault::new(HttpFault::Denied, error);
    let to = Destination::new(ask.tls, &ask.authority).map_err(|error| bad(&error))?;
    if !grants.allows_request(&to) {
        return Err(bad(&format!("the task is not granted http={}", rule_of(&to))));
    }
    if ask.body.len() > BODY_BYTES_MAX {
        let reason = format!("a body of {} bytes is larger than {BODY_BYTES_MAX}", ask.body.len());
        return Err(Fault::new(HttpFault::RequestBodySize, reason));
    }
    Ok(Checked {
        method: method(&ask.method)?,
        path: path(&ask.path)?,
        headers: headers(&ask, &to)?,
        body: ask.body,
        connect_within: Duration::from_millis(ask.connect_ms).min(CONNECT_WITHIN),
        first_byte_within: Duration::from_millis(ask.first_byte_ms).min(FIRST_BYTE_WITHIN),
        between_bytes_within: Duration::from_millis(ask.between_bytes_ms).min(BETWEEN_BYTES_WITHIN),
        to,
    })
}

/// The rule that would allow a destination.
pub(super) fn rule_of(to: &Destination) -> String {
    if to.tls { to.authority() } else { to.to_string() }
}

/// A method that asks one host for one thing: a tunnel goes past every check, and an echo shows what was added.
fn method(text: &str) -> Result<Method, Fault> {
    let method = Method::from_bytes(text.as_bytes()).ok();
    let method = method.filter(|method| *method != Method::CONNECT && *method != Method::TRACE);
    let shown: String = text.chars().take(60).collect();
    method.ok_or_else(|| Fault::new(HttpFault::Denied, format!("method {shown:?} is not for tasks")))
}

/// A path of this host: in the absolute form it would name another.
fn path(text: &str) -> Result<PathAndQuery, Fault> {
    let plain = text.starts_with('/') && text.len() <= PATH_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    let path = plain.then(|| PathAndQuery::try_from(text).ok()).flatten();
    let shown: String = text.chars().take(60).collect();
    path.ok_or_else(|| Fault::new(HttpFault::Denied, format!("path {shown:?} is not one that begins with '/'")))
}

fn headers(ask: &HttpAsk, to: &Destination) -> Result<HeaderMap, Fault> {
    let denied = |reason: String| Fault::new(HttpFault::Denied, reason);
    let bytes: usize = ask.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if ask.headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        let count = ask.headers.len();
        return Err(denied(format!(
            "{count} headers of {bytes} bytes are more than {HEADERS_MAX} or {HEADER_BYTES_MAX}"
        )));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &ask.headers {
        let shown: String = name.chars().take(60).collect();
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| denied(format!("{shown:?} is no header name")))?;
        let value =
            HeaderValue::from_bytes(value).map_err(|_| denied(format!("the value of header {name} is none")))?;
        if HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        if name == HOST && !same_host(&value, to) {
            return Err(denied(format!("header host names another host than {}", to.authority())));
        }
        if name == CONTENT_LENGTH && (headers.contains_key(&name) || value.as_bytes() != digits(ask.body.len())) {
            return Err(denied(format!("header content-length is not once {}", ask.body.len())));
        }
        headers.append(name, value);
    }
    // both are made anew: from what was checked, and by whoever writes the body
    headers.remove(CONTENT_LENGTH);
    let host = HeaderValue::from_str(&to.authority()).map_err(|error| denied(error.to_string()))?;
    headers.insert(HOST, host);
    let ours = HeaderValue::from_static(concat!("lovage/", env!("CARGO_PKG_VERSION")));
    headers.entry(USER_AGENT).or_insert(ours);
    Ok(headers)
}

fn digits(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn same_host(value: &HeaderValue, to: &Destination) -> bool {
    value.to_str().ok().and_then(|text| Destination::new(to.tls, text).ok()).is_some_and(|named| named == *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> HttpAsk {
        HttpAsk {
            method: "POST".to_owned(),
            tls: true,
            authority: "api.example.com".to_owned(),
            path: "/a?b=c".to_owned(),
            headers: Vec::new(),
            body: b"body".to_vec(),
            connect_ms: u64::MAX,
            first_byte_ms: 1,
            between_bytes_ms: u64::MAX,
        }
    }

    fn refusal(change: impl FnOnce(&mut HttpAsk)) -> String {
        let mut ask = ask();
        change(&mut ask);
        let grants = ["http=api.example.com"].iter().map(|text| text.parse().unwrap()).collect();
        match check(ask, &grants) {
            Ok(checked) => format!("allowed: {checked:?}"),
            Err(fault) => fault.reason,
        }
    }

    fn header(name: &str, value: &str) -> (String, Vec<u8>) {
        (name.to_owned(), value.as_bytes().to_vec())
    }

    #[test]
    fn without_a_grant_nothing_goes_out() {
        let fault = check(ask(), &Grants::default()).unwrap_err();
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (HttpFault::Denied, "the task is not granted http=api.example.com")
        );
    }

    #[test]
    fn other_destinations_are_refused() {
        assert!(refusal(|ask| ask.tls = false).contains("http=http://api.example.com"));
        assert!(refusal(|ask| ask.authority = "api.example.com:8443".into()).contains("http=api.example.com:8443"));
        for bad in ["", "a@api.example.com", "api.example.com/x", "api.example.com\r\n", "api.example.com.", "0x7f.1"] {
            assert!(!refusal(|ask| ask.authority = bad.into()).starts_with("allowed"), "{bad:?}");
        }
    }

    #[test]
    fn what_could_be_two_requests_is_refused() {
        for path in ["", "http://evil.example/", "*", "a", "/a b", "/a\r\nHost: b", "/\u{e9}", "//\0"] {
            assert!(refusal(|ask| ask.path = path.into()).contains("begins with '/'"), "{path:?}");
        }
        for method in ["", "CONNECT", "TRACE", "GET /", "G\r\nT"] {
            assert!(refusal(|ask| ask.method = method.into()).contains("is not for tasks"), "{method:?}");
        }
        for (headers, told) in [
            (vec![header("Host", "evil.example")], "another host"),
            (vec![header("host", "api.example.com"), header("host", "evil.example")], "another host"),
            (vec![header("content-length", "4"), header("content-length", "4")], "not once 4"),
            (vec![header("content-length", "5")], "not once 4"),
            (vec![header("content-length", "+4")], "not once 4"),
            (vec![header("x", "a\r\nHost: evil.example")], "value of header x"),
            (vec![header("x", "a\nb")], "value of header x"),
            (vec![header("x\r\ny", "a")], "no header name"),
            (vec![header("x y", "a")], "no header name"),
            (vec![header("", "a")], "no header name"),
            (vec![header("x", "a"); 101], "101 headers"),
            (vec![header("x", &"a".repeat(64 << 10))], "65537 bytes"),
        ] {
            let told_of = refusal(|ask| ask.headers = headers.clone());
            assert!(told_of.contains(told), "{headers:?}: {told_of}");
        }
        let large = refusal(|ask| ask.body = vec![0; BODY_BYTES_MAX + 1]);
        assert!(large.contains("larger than 1048576"), "{large}");
    }

    #[test]
    fn headers_of_the_connection_are_ours() {
        let mut ask = ask();
        for name in HOP_BY_HOP {
            ask.headers.push(header(name, "x"));
        }
        ask.headers.extend([
            header("content-length", "4"),
            header("Host", "API.example.com:443"),
            header("accept", "*/*"),
        ]);
        let grants = ["http=api.example.com"].iter().map(|text| text.parse().unwrap()).collect();
        let checked = check(ask, &grants).unwrap();
        let mut names: Vec<_> = checked.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "user-agent"]);
        assert_eq!(checked.headers[HOST], "api.example.com");
        assert_eq!(checked.connect_within, Duration::from_secs(5));
        assert_eq!(
            (checked.first_byte_within, checked.between_bytes_within),
            (Duration::from_millis(1), BETWEEN_BYTES_WITHIN)
        );
    }
}
