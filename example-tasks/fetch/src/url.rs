//! As much of URLs as a request needs. What is wrong in a part is for the worker to refuse.

/// The parts of a URL.
#[derive(Debug, PartialEq)]
pub struct Parts<'u> {
    pub https: bool,
    pub authority: &'u str,
    pub path: &'u str,
}

/// Splits a URL.
pub fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let https = match scheme {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    Some(Parts { https, authority, path })
}

/// Where a redirect leads.
pub fn joined(from: &Parts<'_>, to: &str) -> String {
    let scheme = if from.https { "https" } else { "http" };
    if to.contains("://") {
        to.to_owned()
    } else if to.starts_with("//") {
        format!("{scheme}:{to}")
    } else {
        format!("{scheme}://{}/{}", from.authority, to.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_parts() {
        let parts = |url| parts(url).map(|parts| (parts.https, parts.authority, parts.path));
        assert_eq!(parts("https://a.b/c?d#e"), Some((true, "a.b", "/c?d")));
        assert_eq!(parts("http://a:1"), Some((false, "a:1", "/")));
        assert_eq!(parts("ftp://a"), None);
    }

    #[test]
    fn redirects_lead_on() {
        let from = Parts { https: true, authority: "a.b", path: "/c" };
        assert_eq!(joined(&from, "/d"), "https://a.b/d");
        assert_eq!(joined(&from, "//e/f"), "https://e/f");
        assert_eq!(joined(&from, "http://127.0.0.1/"), "http://127.0.0.1/");
    }
}
