//! A registry as one repository of it is used: who asks, redirects, and what is read is bounded and checked.

use super::challenge::Challenge;
use super::credentials::Login;
use super::error::OciError;
use super::http::{Answer, Ask, ask, host_of};
use super::reference::Reference;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE};
use lovage_job::name::Digest;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::ClientConfig;
use url::Url;

/// How many redirects of one request are followed.
const REDIRECTS_MAX: usize = 5;
/// The largest answer of a token server.
const TOKEN_BYTES_MAX: u64 = 64 << 10;
/// The largest answer to what is written.
const RECEIPT_BYTES_MAX: u64 = 64 << 10;

/// What is done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Artefacts are taken from it.
    Pull,
    /// And brought to it.
    Push,
}

/// One repository of a registry.
pub struct Registry {
    base: Url,
    repository: String,
    access: Access,
    login: Option<Login>,
    tls: Arc<ClientConfig>,
    /// What is sent as `Authorization`, once the registry has asked for it.
    authorization: Mutex<Option<String>>,
}

impl Registry {
    /// The repository of a reference. `plain` is without TLS.
    pub fn new(reference: &Reference, access: Access, login: Option<Login>, plain: bool) -> Result<Self, OciError> {
        let failed = |reason: String| OciError::Transport { host: reference.host.clone(), reason };
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/", reference.host)).map_err(|error| failed(error.to_string()))?;
        let tls = crate::outgoing::tls().map_err(failed)?;
        let repository = reference.repository.clone();
        Ok(Self { base, repository, access, login, tls, authorization: Mutex::default() })
    }

    /// The registry's host.
    pub(super) fn host(&self) -> String {
        host_of(&self.base)
    }

    fn url(&self, path: &str) -> Result<Url, OciError> {
        let joined = self.base.join(&format!("v2/{}/{path}", self.repository));
        joined.map_err(|error| OciError::Transport { host: self.host(), reason: error.to_string() })
    }

    /// Reads something, following redirects; nothing where there is none.
    pub(super) async fn get(&self, path: &str, accept: &str, max: u64) -> Result<Option<Answer>, OciError> {
        let headers = vec![(ACCEPT, accept.to_owned())];
        let answer = self.asked(Method::GET, self.url(path)?, headers, Bytes::new(), max).await?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            status => Err(self.status(status, &answer, path)),
        }
    }

    /// Reads a blob of a known size, checked against the digest that names it.
    pub(super) async fn blob(&self, digest: &Digest, size: u64, what: &str) -> Result<Vec<u8>, OciError> {
        let answer = self.get(&format!("blobs/{digest}"), "*/*", size).await?;
        let answer = answer.ok_or_else(|| OciError::NotFound(format!("{what} {digest} in {}", self.host())))?;
        let actual = Digest::of(&answer.body);
        if actual != *digest {
            return Err(OciError::Digest { what: what.to_owned(), actual, wanted: digest.clone() });
        }
        Ok(answer.body)
    }

    /// Brings a blob, unless it is there.
    pub(super) async fn put_blob(&self, digest: &Digest, bytes: Bytes) -> Result<(), OciError> {
        let there =
            self.asked(Method::HEAD, self.url(&format!("blobs/{digest}"))?, Vec::new(), Bytes::new(), 0).await?;
        if there.status == 200 {
            return Ok(());
        }
        let length = vec![(CONTENT_LENGTH, "0".to_owned())];
        let begun =
            self.asked(Method::POST, self.url("blobs/uploads/")?, length, Bytes::new(), RECEIPT_BYTES_MAX).await?;
        if begun.status != 202 {
            return Err(self.status(begun.status, &begun, "a new upload"));
        }
        let failed = |reason: &str| OciError::Transport { host: self.host(), reason: reason.to_owned() };
        let place = begun.header(LOCATION).ok_or_else(|| failed("it names no place to upload to"))?;
        let mut place = self.base.join(place).map_err(|_| failed("it names no place to upload to"))?;
        self.check_target(&place)?;
        place.query_pairs_mut().append_pair("digest", digest.as_str());
        let headers = vec![(CONTENT_TYPE, "application/octet-stream".to_owned())];
        let stored = self.asked(Method::PUT, place, headers, bytes, RECEIPT_BYTES_MAX).await?;
        match stored.status {
            201 => Ok(()),
            status => Err(self.status(status, &stored, &format!("blob {digest}"))),
        }
    }

    /// Brings a manifest under a tag or its digest.
    pub(super) async fn put_manifest(&self, name: &str, media_type: &str, bytes: Bytes) -> Result<(), OciError> {
        let headers = vec![(CONTENT_TYPE, media_type.to_owned())];
        let url = self.url(&format!("manifests/{name}"))?;
        let stored = self.asked(Method::PUT, url, headers, bytes, RECEIPT_BYTES_MAX).await?;
        match stored.status {
            201 => Ok(()),
            status => Err(self.status(status, &stored, &format!("manifest {name}"))),
        }
    }

    /// Asks; says who asks where the registry wants to know; follows redirects.
    async fn asked(
        &self,
        method: Method,
        url: Url,
        headers: Vec<(HeaderName, String)>,
        body: Bytes,
        max: u64,
    ) -> Result<Answer, OciError> {
        let (mut at, mut told) = (url, false);
        for _ in 0..=REDIRECTS_MAX {
            let ours = self.is_ours(&at);
            let mut headers = headers.clone();
            // whoever the registry sends on to is not told who asks
            if let (true, Some(authorization)) = (ours, self.authorization()) {
                headers.push((AUTHORIZATION, authorization));
            }
            let request = Ask { method: method.clone(), url: at.clone(), headers, body: body.clone(), max };
            let answer = ask(request, &self.tls).await?;
            match answer.status {
                401 if ours && !told => {
                    self.authorize(&answer).await?;
                    told = true;
                }
                401 if ours => {
                    let told = "those that were sent are not taken".to_owned();
                    return Err(OciError::Unauthorized { host: self.host(), told });
                }
                301 | 302 | 303 | 307 | 308 if method == Method::GET || method == Method::HEAD => {
                    at = self.redirected(&at, &answer)?;
                }
                _ => return Ok(answer),
            }
        }
        Err(OciError::Transport { host: self.host(), reason: format!("it redirects more than {REDIRECTS_MAX} times") })
    }

    fn redirected(&self, at: &Url, answer: &Answer) -> Result<Url, OciError> {
        let place = answer.header(LOCATION).and_then(|place| at.join(place).ok());
        let reason = "it redirects to nowhere".to_owned();
        let place = place.ok_or_else(|| OciError::Transport { host: self.host(), reason })?;
        self.check_target(&place)?;
        Ok(place)
    }

    /// Where a registry may send us: to itself, or to someone else over TLS.
    fn check_target(&self, place: &Url) -> Result<(), OciError> {
        let named = place.username().is_empty() && place.password().is_none() && place.host_str().is_some();
        if named && (self.is_ours(place) || place.scheme() == "https") {
            return Ok(());
        }
        let reason = format!("it sends us to {}, which is neither itself nor secure", host_of(place));
        Err(OciError::Transport { host: self.host(), reason })
    }

    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what the registry asks for.
    async fn authorize(&self, answer: &Answer) -> Result<(), OciError> {
        let refused = |told: String| OciError::Unauthorized { host: self.host(), told };
        let offers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenge = offers.filter_map(Challenge::read).next();
        let authorization = match (challenge, &self.login) {
            (None, _) => return Err(refused("in a way that is not known here".to_owned())),
            (Some(Challenge::Basic), None) => return Err(refused("there are none".to_owned())),
            (Some(Challenge::Basic), Some(login)) => login.basic(),
            (Some(Challenge::Bearer { realm, service }), login) => {
                format!("Bearer {}", self.token(&realm, service.as_deref(), login.as_ref()).await?)
            }
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        Ok(())
    }

    /// Asks for a token where the registry says. That server is told the password, which is what it is for: it must be
    /// the registry itself, or be secure.
    async fn token(&self, realm: &str, service: Option<&str>, login: Option<&Login>) -> Result<String, OciError> {
        let failed = |reason: String| OciError::Unauthorized { host: self.host(), told: reason };
        let mut url = Url::parse(realm).map_err(|_| failed("names no server that gives tokens".to_owned()))?;
        self.check_target(&url)?;
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:{actions}", self.repository));
        let headers = login.map(|login| (AUTHORIZATION, login.basic())).into_iter().collect();
        let request = Ask { method: Method::GET, url, headers, body: Bytes::new(), max: TOKEN_BYTES_MAX };
        let answer = ask(request, &self.tls).await?;
        if answer.status != 200 {
            return Err(failed(format!("its server for tokens answered {}", answer.status)));
        }
        let token: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| failed("its token cannot be read".to_owned()))?;
        let token = ["token", "access_token"].iter().find_map(|name| token.get(name)?.as_str());
        let plain = |token: &&str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        token.filter(plain).map(str::to_owned).ok_or_else(|| failed("its token cannot be read".to_owned()))
    }

    fn status(&self, status: u16, answer: &Answer, what: &str) -> OciError {
        if matches!(status, 401 | 403) {
            let told = if self.login.is_some() { "yours may not do that" } else { "there are none" };
            return OciError::Unauthorized { host: self.host(), told: told.to_owned() };
        }
        let told: String =
            String::from_utf8_lossy(&answer.body).chars().filter(|c| !c.is_control()).take(200).collect();
        let told = if told.is_empty() { told } else { format!(": {told}") };
        OciError::Status { host: self.host(), status, what: what.to_owned(), told }
    }
}
