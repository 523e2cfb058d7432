//! Decides what to answer; pure.

use serde_json::json;

/// A request with its body read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path_with_query: String,
    /// In order; bytes that are not UTF-8 are replaced.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What the handler does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Respond(Response),
    /// Return without a response, which is a fault of the guest.
    Silence,
    Trap,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Decides what to answer.
pub(crate) fn answer(request: Request) -> Answer {
    let (path, query) = request.path_with_query.split_once('?').unwrap_or((&request.path_with_query, ""));
    match path {
        "/silent" => Answer::Silence,
        "/trap" => Answer::Trap,
        "/inspect" => Answer::Respond(inspect(&request)),
        _ => {
            let asked = path.strip_prefix("/status/").or(request.header("x-echo-status"));
            let retry_after =
                parameter(query, "retry-after").or(request.header("x-echo-retry-after")).map(str::to_owned);
            match asked.map_or(Some(200), status) {
                Some(status) => Answer::Respond(echo(request, status, retry_after)),
                None => Answer::Respond(refuse(asked.unwrap_or_default())),
            }
        }
    }
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (200..=599).contains(status))
}

fn echo(request: Request, status: u16, retry_after: Option<String>) -> Response {
    let shown = |name: &str| name == "content-type" || name.starts_with("x-") || name.starts_with("lovage-");
    let lowered = request.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let mut headers: Vec<_> = lowered.filter(|(name, _)| shown(name)).collect();
    headers.extend(retry_after.map(|seconds| ("retry-after".to_owned(), seconds)));
    Response { status, headers, body: request.body }
}

fn inspect(request: &Request) -> Response {
    let seen = json!({
        "method": request.method,
        "path": request.path_with_query,
        "headers": request.headers,
        "body": String::from_utf8_lossy(&request.body),
    });
    Response {
        status: 200,
        headers: vec![("content-type".into(), "application/json".into())],
        body: seen.to_string().into_bytes(),
    }
}

fn refuse(asked: &str) -> Response {
    let body = format!("`{asked}` is not a status from 200 to 599\n").into_bytes();
    Response { status: 400, headers: vec![("content-type".into(), "text/plain".into())], body }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request, Response, answer};

    fn request(path: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request { method: "POST".into(), path_with_query: path.into(), headers, body: b"hi".to_vec() }
    }

    fn respond(path: &str, headers: &[(&str, &str)]) -> Response {
        match answer(request(path, headers)) {
            Answer::Respond(response) => response,
            other => panic!("{path} gives {other:?}"),
        }
    }

    #[test]
    fn body_and_headers_come_back() {
        let response = respond("/", &[("Content-Type", "text/plain"), ("X-Colour", "blue"), ("Host", "h")]);
        assert_eq!((response.status, response.body.as_slice()), (200, &b"hi"[..]));
        let expected = [("content-type", "text/plain"), ("x-colour", "blue")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(response.headers, expected);
    }

    #[test]
    fn status_and_delay_are_asked_for_by_path_or_header() {
        let by_path = respond("/status/429?retry-after=7", &[]);
        let by_header = respond("/", &[("X-Echo-Status", "429"), ("X-Echo-Retry-After", "7")]);
        for response in [by_path, by_header] {
            assert_eq!(response.status, 429);
            assert!(response.headers.contains(&("retry-after".into(), "7".into())));
        }
    }

    #[test]
    fn unusable_status_is_refused() {
        for path in ["/status/", "/status/99", "/status/199", "/status/600", "/status/many"] {
            assert_eq!(respond(path, &[]).status, 400, "{path}");
        }
    }

    #[test]
    fn request_can_be_inspected() {
        let body = String::from_utf8(respond("/inspect?a=b", &[("x-a", "1")]).body).unwrap_or_default();
        assert!(body.contains(r#""path":"/inspect?a=b""#) && body.contains(r#""body":"hi""#), "{body}");
    }

    #[test]
    fn faults_are_asked_for_by_path() {
        assert_eq!(answer(request("/silent", &[])), Answer::Silence);
        assert_eq!(answer(request("/trap", &[])), Answer::Trap);
    }
}
