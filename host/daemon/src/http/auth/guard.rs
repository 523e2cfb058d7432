//! What browsers are held to: no page of another site makes them change or read anything here, and no name that points
//! to this machine in a roundabout way is answered.

use crate::http::problem::{Code, Problem};
use axum::http::{HeaderMap, Method, Uri, header};

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Whether callers without a token are let in, which only `lovage dev` does, on loopback.
    pub open: bool,
    /// The names that the server goes by.
    pub names: Names,
    /// Whether browsers reach it over TLS, its own or that of a proxy.
    pub secure: bool,
    /// Whether what a proxy says of the caller is true.
    pub behind_proxy: bool,
}

/// The names that a server goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those of this machine's loopback alone. Any other is a name that someone made point here.
    Loopback,
    /// Any: nothing is given to those who have no token.
    Any,
}

/// How a caller shows who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// By a token, which no page can add to a request to another site.
    Token,
    /// By the session's cookie, which the browser adds by itself.
    Cookie,
    /// Not at all.
    Nothing,
}

const SITE: &str = "sec-fetch-site";

/// Refuses a name that is not this server's.
pub fn check_name(door: &Door, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    if door.names == Names::Any {
        return Ok(());
    }
    let told = host(headers, uri).unwrap_or_default();
    match is_loopback(&told) {
        true => Ok(()),
        false => Err(Problem::new(Code::WrongHost, format_args!("{told:?} is not a name of this machine's loopback"))),
    }
}

/// Refuses what comes from a page of another site. `api` is whether programs are meant, to which no other page may speak
/// at all; on pages, links from elsewhere may lead.
pub fn check_site(
    door: &Door,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    shown: Shown,
    api: bool,
) -> Result<(), Problem> {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    let told = headers.get(SITE).map(|value| value.to_str().unwrap_or("unreadable"));
    let refused = |why: &str| Err(Problem::new(Code::CrossSite, why));
    match told {
        Some("same-origin") => Ok(()),
        // typed in by a person, or by a program that says so
        Some("none") if safe || shown == Shown::Token => Ok(()),
        Some(_) if safe && !api => Ok(()),
        Some(_) => refused("Sec-Fetch-Site is not same-origin"),
        None if safe && !api => Ok(()),
        None => match headers.get(header::ORIGIN) {
            Some(origin) if is_own(door, origin.to_str().unwrap_or_default(), headers, uri) => Ok(()),
            Some(_) => refused("Origin is not this server"),
            None if !safe && shown == Shown::Cookie => refused("neither Sec-Fetch-Site nor Origin is given"),
            None => Ok(()),
        },
    }
}

fn is_own(door: &Door, origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let scheme_fits = matches!((scheme, door.secure), ("https", true) | ("http", false));
    let given = if door.behind_proxy { headers.get("x-forwarded-host") } else { None };
    let given = given.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let own = given.or_else(|| host(headers, uri));
    scheme_fits && own.is_some_and(|own| own.eq_ignore_ascii_case(authority))
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(ToString::to_string))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name.to_ascii_lowercase().as_str(), "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        Door { open: true, names: Names::Loopback, secure: false, behind_proxy: false }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| {
            map.insert(*name, value.parse().unwrap());
        });
        map
    }

    #[test]
    fn a_name_that_someone_made_point_here_is_refused() {
        let check = |host: &'static str| check_name(&door(), &headers(&[("host", host)]), &Uri::from_static("/"));
        for host in ["localhost", "localhost:7710", "127.0.0.1:7710", "[::1]:7710", "LOCALHOST"] {
            assert!(check(host).is_ok(), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:7710", "10.0.0.1", ""] {
            assert_eq!(check(host).unwrap_err().code, Code::WrongHost, "{host}");
        }
        let any = Door { names: Names::Any, ..door() };
        assert!(check_name(&any, &headers(&[("host", "evil.example")]), &Uri::from_static("/")).is_ok());
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let own = [("host", "localhost:7710"), ("origin", "http://localhost:7710")];
        let other = [("host", "localhost:7710"), ("origin", "http://localhost:7711")];
        let check = |pairs: &[(&'static str, &'static str)], method: Method, shown, api| {
            check_site(&door(), (&method, &Uri::from_static("/"), &headers(pairs)), shown, api).is_ok()
        };
        for shown in [Shown::Token, Shown::Cookie, Shown::Nothing] {
            assert!(check(&[(SITE, "same-origin")], Method::POST, shown, true));
            assert!(check(&own, Method::POST, shown, true) && !check(&other, Method::POST, shown, true));
            for site in ["cross-site", "same-site", "x"] {
                assert!(!check(&[(SITE, site)], Method::POST, shown, false), "{site}");
                assert!(!check(&[(SITE, site)], Method::GET, shown, true), "{site}");
                assert!(check(&[(SITE, site)], Method::GET, shown, false), "{site}");
            }
        }
        assert!(check(&[], Method::POST, Shown::Token, true) && check(&[], Method::POST, Shown::Nothing, true));
        assert!(!check(&[], Method::POST, Shown::Cookie, true) && !check(&[], Method::DELETE, Shown::Cookie, false));
        assert!(!check(&[(SITE, "none")], Method::POST, Shown::Cookie, false));
    }

    #[test]
    fn the_scheme_belongs_to_the_origin() {
        let secure = Door { secure: true, ..door() };
        let pairs = headers(&[("host", "a.example"), ("origin", "http://a.example")]);
        let asked = |door: &Door, pairs: &HeaderMap| {
            check_site(door, (&Method::POST, &Uri::from_static("/"), pairs), Shown::Cookie, false).is_ok()
        };
        assert!(!asked(&secure, &pairs) && asked(&door(), &pairs));
        let proxied = Door { behind_proxy: true, ..secure };
        let pairs =
            headers(&[("host", "10.0.0.1:7710"), ("x-forwarded-host", "a.example"), ("origin", "https://a.example")]);
        assert!(asked(&proxied, &pairs) && !asked(&door(), &pairs));
    }
}
