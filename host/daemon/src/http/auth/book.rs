//! The tokens and sessions that are valid now, as the broker tells of them: a token that is removed opens nothing from
//! that moment, also streams that are open.

use super::token::TokenText;
use crate::nats::tokens::TokenChange;
use lovage_job::token::{SessionRecord, TokenKey, TokenRecord};
use lovage_job::unit::UnixMs;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

/// Tokens and sessions that are remembered; the broker holds no more of them than people make.
const ENTRIES_MAX: usize = 200_000;
/// How much of a hash is looked up; all of it is compared then.
const FOUND_BY: usize = 12;

/// The same, of a session: as much of its hash as its key has.
const SESSION_FOUND_BY: usize = 32;

/// What is valid now.
#[derive(Debug)]
pub struct Book {
    entries: RwLock<Entries>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashMap<TokenKey, Arc<TokenRecord>>,
    /// The same tokens by the beginning of their hashes.
    by_hash: HashMap<String, Vec<Arc<TokenRecord>>>,
    /// By the beginnings of their hashes.
    sessions: HashMap<String, Arc<SessionRecord>>,
}

impl Default for Book {
    fn default() -> Self {
        Self { entries: RwLock::default(), changes: watch::Sender::new(0) }
    }
}

impl Book {
    /// Takes a change that the broker tells.
    pub fn apply(&self, change: TokenChange) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            TokenChange::Token(record) => entries.add(Arc::new(*record)),
            TokenChange::NoToken(key) => entries.remove(&key),
            TokenChange::Session(key, record) => {
                if entries.sessions.len() < ENTRIES_MAX {
                    entries.sessions.insert(without_owner(key), Arc::new(record));
                }
            }
            TokenChange::NoSession(key) => {
                entries.sessions.remove(&without_owner(key));
            }
        }
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Changes whenever a token or session comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The token of this text, unless it has expired.
    pub fn token(&self, text: &TokenText, now: UnixMs) -> Option<Arc<TokenRecord>> {
        self.token_of_hash(&text.sha256(), now)
    }

    /// The token that a session was made with, unless either has expired.
    pub fn session(&self, text: &TokenText, now: UnixMs) -> Option<Arc<TokenRecord>> {
        let sha256 = text.sha256();
        let session = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.sessions.get(sha256.get(..SESSION_FOUND_BY)?).cloned()
        };
        let session = session.filter(|session| same(&session.sha256, &sha256) && now < session.expires)?;
        self.token_of_hash(&session.token, now)
    }

    /// Whether there is a token that opens something.
    pub fn has_tokens(&self, now: UnixMs) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.tokens.values().any(|record| !record.has_expired(now))
    }

    /// Whether this very token still opens something.
    pub fn holds(&self, record: &TokenRecord, now: UnixMs) -> bool {
        self.token_of_hash(&record.sha256, now).is_some_and(|found| *found == *record)
    }

    fn token_of_hash(&self, sha256: &str, now: UnixMs) -> Option<Arc<TokenRecord>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let found = entries.by_hash.get(sha256.get(..FOUND_BY)?)?;
        let found = found.iter().find(|record| same(&record.sha256, sha256));
        found.filter(|record| !record.has_expired(now)).cloned()
    }
}

impl Entries {
    fn add(&mut self, record: Arc<TokenRecord>) {
        let key = record.key();
        self.remove(&key);
        let Some(beginning) = record.sha256.get(..FOUND_BY) else { return };
        if self.tokens.len() < ENTRIES_MAX {
            self.by_hash.entry(beginning.to_owned()).or_default().push(record.clone());
            self.tokens.insert(key, record);
        }
    }

    fn remove(&mut self, key: &TokenKey) {
        let Some(gone) = self.tokens.remove(key) else { return };
        let Some(beginning) = gone.sha256.get(..FOUND_BY) else { return };
        if let Some(found) = self.by_hash.get_mut(beginning) {
            found.retain(|record| record.key() != *key);
            if found.is_empty() {
                self.by_hash.remove(beginning);
            }
        }
    }
}

/// The key of a session without the tenant, which the browser does not tell.
fn without_owner(mut key: String) -> String {
    match key.rfind('.') {
        Some(dot) => key.split_off(dot + 1),
        None => key,
    }
}

/// Compares hashes in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::super::NewToken;
    use super::*;
    use lovage_job::token::{Role, session_key};
    use std::time::Duration;

    fn made(name: &str, lasts: Option<u64>) -> (TokenText, TokenRecord) {
        let name = name.parse().unwrap();
        let tenant = Some("acme".parse().unwrap());
        NewToken { name, tenant, role: Role::Viewer, lasts: lasts.map(Duration::from_millis) }.make(UnixMs(0)).unwrap()
    }

    #[test]
    fn a_token_opens_until_it_expires_or_goes() {
        let book = Book::default();
        let (text, record) = made("a", Some(10));
        assert!(book.token(&text, UnixMs(0)).is_none() && !book.has_tokens(UnixMs(0)));
        book.apply(TokenChange::Token(Box::new(record.clone())));
        assert_eq!(book.token(&text, UnixMs(9)).as_deref(), Some(&record));
        assert!(book.token(&text, UnixMs(10)).is_none() && !book.has_tokens(UnixMs(10)));
        assert!(book.holds(&record, UnixMs(9)));
        book.apply(TokenChange::NoToken(record.key()));
        assert!(book.token(&text, UnixMs(9)).is_none() && !book.holds(&record, UnixMs(9)));
    }

    #[test]
    fn a_token_of_the_same_name_takes_the_place_of_the_one_before() {
        let book = Book::default();
        let ((old, first), (new, second)) = (made("a", None), made("a", None));
        book.apply(TokenChange::Token(Box::new(first)));
        book.apply(TokenChange::Token(Box::new(second)));
        assert!(book.token(&old, UnixMs(0)).is_none() && book.token(&new, UnixMs(0)).is_some());
    }

    #[test]
    fn a_session_lives_no_longer_than_its_token() {
        let book = Book::default();
        let (text, record) = made("a", None);
        let cookie = TokenText::random().unwrap();
        let session = SessionRecord { sha256: cookie.sha256(), token: text.sha256(), expires: UnixMs(10) };
        let key = session_key(record.tenant.as_ref(), &session.sha256);
        book.apply(TokenChange::Token(Box::new(record.clone())));
        book.apply(TokenChange::Session(key.clone(), session.clone()));
        assert!(book.session(&cookie, UnixMs(9)).is_some() && book.session(&cookie, UnixMs(10)).is_none());
        // the text of a token is no session, and that of a session no token
        assert!(book.session(&text, UnixMs(9)).is_none() && book.token(&cookie, UnixMs(9)).is_none());
        book.apply(TokenChange::NoToken(record.key()));
        assert!(book.session(&cookie, UnixMs(9)).is_none());
        book.apply(TokenChange::Token(Box::new(record)));
        book.apply(TokenChange::NoSession(key));
        assert!(book.session(&cookie, UnixMs(9)).is_none());
    }
}
