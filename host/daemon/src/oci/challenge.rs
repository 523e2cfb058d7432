//! What a registry asks for when it wants to know who asks: `WWW-Authenticate`.

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password.
    Basic,
    /// A token, which another server gives.
    Bearer {
        /// Where to ask for it.
        realm: String,
        /// Who it is for.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads a header's value; nothing where it asks for something else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
        }
        realm.map(|realm| Self::Bearer { realm, service })
    }
}

/// Reads `name="value",name=value`. Commas inside of quotes are part of the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, left)) => (value, left),
                None => break,
            },
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = left.trim_start_matches([' ', ',']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (text, found) in [
            (r#"Basic realm="basic-realm""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://a.example/token",service="r,x",scope="repository:a:pull,push""#,
                bearer("https://a.example/token", Some("r,x")),
            ),
            ("Bearer service=r, realm=https://a.example/t", bearer("https://a.example/t", Some("r"))),
            (r#"bearer realm="https://a.example""#, bearer("https://a.example", None)),
            (r#"Bearer realm="https://never-closed"#, None),
            ("Bearer", None),
            ("Negotiate abc", None),
            ("", None),
        ] {
            assert_eq!(Challenge::read(text), found, "{text}");
        }
    }
}
