//! Who asks a registry: a user and a password, given or from docker's configuration.

use base64::Engine as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A user and a password. Debug prints no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The part of docker's `config.json` that is used.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct DockerAuth {
    #[serde(default)]
    auth: String,
}

impl Login {
    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        let both = format!("{}:{}", self.user, self.password);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
    }

    /// Looks a registry up in docker's configuration. Passwords that docker keeps elsewhere are not asked for: the error
    /// says so.
    pub fn from_docker(config: &str, host: &str) -> Result<Option<Self>, String> {
        let config: DockerConfig = serde_json::from_str(config).map_err(|error| error.to_string())?;
        if let Some(helper) = config.helpers.get(host) {
            return Err(format!("it keeps the password of {host} in the helper {helper}, which is not asked"));
        }
        // older versions of docker wrote a URL
        let named = |key: &str| {
            let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
            key.split('/').next() == Some(host)
        };
        let Some((_, entry)) = config.auths.iter().find(|(key, _)| named(key)) else { return Ok(None) };
        match (entry.auth.is_empty(), config.store) {
            (true, Some(store)) => {
                Err(format!("it keeps the password of {host} in the store {store}, which is not asked"))
            }
            (true, None) => Ok(None),
            (false, _) => {
                let unreadable = || format!("its entry for {host} is not a user and a password");
                let both = base64::engine::general_purpose::STANDARD.decode(&entry.auth).map_err(|_| unreadable())?;
                let both = String::from_utf8(both).map_err(|_| unreadable())?;
                let (user, password) = both.trim_end_matches('\0').split_once(':').ok_or_else(unreadable)?;
                Ok(Some(Self { user: user.to_owned(), password: password.to_owned() }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_configuration_is_read() {
        let config = r#"{
            "auths": {"a.example": {"auth": "dTpwOnc="}, "https://b.example/v1/": {"auth": "dTpw"}, "c.example": {},
                      "e.example": {"auth": "!!"}},
            "credHelpers": {"d.example": "pass"}, "other": 1
        }"#;
        let of = |host: &str| Login::from_docker(config, host);
        let login = |password: &str| Ok(Some(Login { user: "u".to_owned(), password: password.to_owned() }));
        assert_eq!(of("a.example"), login("p:w"));
        assert_eq!(of("b.example"), login("p"));
        assert_eq!(of("c.example"), Ok(None));
        assert_eq!(of("a.example.org"), Ok(None), "another host gets nothing");
        assert_eq!(of("a.example:5000"), Ok(None), "nor another port");
        assert!(of("d.example").unwrap_err().contains("helper pass"));
        assert!(of("e.example").is_err());
        assert!(Login::from_docker("{", "a").is_err());
        assert!(!format!("{:?}", of("a.example")).contains("p:w"));
    }
}
