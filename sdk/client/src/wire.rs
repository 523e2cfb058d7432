//! Headers between `lovage_job` and the NATS library.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};
use lovage_job::header::Headers;

/// Headers as the NATS library takes them. A name that no NATS header can have is left out, and a line break in a
/// value becomes a space: neither may start another protocol line.
pub fn to_nats(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), one_line(value).parse::<HeaderValue>()) {
            map.append(name, value);
        }
    }
    map
}

/// Headers as `lovage_job` takes them, by name. The library keeps the order of values under one name, but not of
/// different names, so they are sorted to come out the same each time.
pub fn from_nats(map: &HeaderMap) -> Headers {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in map.iter() {
        let name: &str = name.as_ref();
        headers.extend(values.iter().map(|value| (name.to_owned(), value.as_str().to_owned())));
    }
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    Headers(headers)
}

fn one_line(value: &str) -> std::borrow::Cow<'_, str> {
    if value.contains(['\r', '\n']) { value.replace(['\r', '\n'], " ").into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_with_values_in_order() {
        let headers: Headers =
            [("A", "1"), ("Lovage-Tag", "x"), ("Lovage-Tag", "a"), ("Nats-Msg-Id", "j")].into_iter().collect();
        assert_eq!(from_nats(&to_nats(&headers)), headers);
    }

    #[test]
    fn hostile_headers_start_no_line() {
        let headers: Headers = [("Bad\r\nName", "x"), ("", "x"), ("A", "1\r\nB: 2")].into_iter().collect();
        let back = from_nats(&to_nats(&headers));
        assert_eq!(back.get("A"), Some("1  B: 2"));
        assert!(back.iter().all(|(name, _)| !name.contains(['\r', '\n'])));
    }
}
