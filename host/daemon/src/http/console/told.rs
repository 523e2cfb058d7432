//! What an action came to, told on the next page: a cookie of one use, since a link that said it could be made by anyone.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const NAME: &str = "lovage_told";
/// The most characters that are told; a cookie holds few.
const CHARS_MAX: usize = 600;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The class of its box: empty where it went well, `bad` where not.
    pub class: &'static str,
    /// The words.
    pub text: String,
}

impl Told {
    /// It went well.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { class: "", text: text.into() }
    }

    /// It did not.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { class: "bad", text: text.into() }
    }

    /// What the last action left to be told.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        let bytes = URL_SAFE_NO_PAD.decode(jar.get(NAME)?.value()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (class, text) = text.split_once(':')?;
        let class = if class == "bad" { "bad" } else { "" };
        Some(Self { class, text: text.chars().take(CHARS_MAX).collect() })
    }

    /// Goes on to a page of this console, which tells it.
    pub fn at(self, place: &str) -> Response {
        let text: String = self.text.chars().take(CHARS_MAX).collect();
        let value = URL_SAFE_NO_PAD.encode(format!("{}:{text}", self.class));
        go(place, Some(cookie(value, 60)))
    }
}

/// Goes on to a page of this console.
pub fn go(place: &str, cookie: Option<HeaderValue>) -> Response {
    // only paths of this server are ever given, and made of checked names; what is none leads home
    let place = Some(place).filter(|place| place.starts_with('/') && !place.starts_with("//"));
    let place = place.and_then(|place| HeaderValue::from_str(place).ok()).unwrap_or(HeaderValue::from_static("/"));
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The cookie that takes what was told away.
pub fn forget() -> HeaderValue {
    cookie(String::new(), 0)
}

fn cookie(value: String, seconds: i64) -> HeaderValue {
    let mut cookie = Cookie::new(NAME, value);
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_path("/");
    let text = format!("{cookie}; Max-Age={seconds}");
    // base64 and fixed words are a header
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("lovage_told=; Max-Age=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(response: &Response) -> Option<Told> {
        let cookie = response.headers().get(header::SET_COOKIE)?.to_str().ok()?.split(';').next()?.to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookie).unwrap());
        Told::of(&headers)
    }

    #[test]
    fn words_of_any_kind_reach_the_next_page() {
        for told in [Told::ok("job <b>&;= ä\n"), Told::bad("a: b")] {
            assert_eq!(back(&told.clone().at("/jobs")), Some(told));
        }
    }

    #[test]
    fn places_elsewhere_lead_home() {
        for place in ["//evil.example", "https://evil.example", "jobs", "/a\r\nb"] {
            assert_eq!(go(place, None).headers()[header::LOCATION], "/", "{place}");
        }
        assert_eq!(go("/jobs?a=b", None).headers()[header::LOCATION], "/jobs?a=b");
    }
}
