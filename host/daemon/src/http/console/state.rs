//! What the console remembers between requests: how the cluster was lately, so that no page waits for workers to answer,
//! and how deep the queues were over the last hour, which nobody else keeps.
//!
//! It looks from the first visit on, until the server stops; less often while nobody is there.

use super::depths::Depths;
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::telemetry::cluster::{Picture, look};
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// How often the cluster is looked at while somebody is there.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same while nobody is.
const LOOK_IDLE: Duration = Duration::from_secs(15);
/// Somebody is there for so long after a visit.
const VISIT: Duration = Duration::from_secs(60);
/// A look that takes longer is given up.
const LOOK_WITHIN: Duration = Duration::from_secs(8);
/// How long the first visitor waits for the first look; what comes later the page gets by itself.
const FIRST_WITHIN: Duration = Duration::from_millis(200);
/// How long whoever changed something waits to see it.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// How long the names of tenants are remembered.
const NAMES_FRESH: Duration = Duration::from_secs(3);
/// The most tenants to choose from.
const NAMES_MAX: usize = 5_000;

/// What is remembered.
pub struct State {
    begun: AtomicBool,
    visited: Mutex<Instant>,
    again: Notify,
    picture: watch::Sender<Option<Arc<Picture>>>,
    names: Mutex<Option<(Instant, Vec<TenantName>)>>,
    /// How deep the queues were.
    pub depths: Depths,
}

impl Default for State {
    fn default() -> Self {
        Self {
            begun: AtomicBool::new(false),
            visited: Mutex::new(Instant::now()),
            again: Notify::new(),
            picture: watch::Sender::new(None),
            names: Mutex::default(),
            depths: Depths::default(),
        }
    }
}

impl State {
    /// Somebody is there.
    pub fn visit(self: &Arc<Self>, site: &Arc<Site>) {
        *self.visited.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if !self.begun.swap(true, Ordering::Relaxed) {
            // ends with the server
            tokio::spawn(self.clone().run(site.clone()));
        }
    }

    /// How the cluster is, a few seconds old at most; nothing where the broker does not tell.
    pub async fn picture(&self) -> Option<Arc<Picture>> {
        let mut pictures = self.picture.subscribe();
        let known = pictures.borrow_and_update().clone();
        if known.is_some() {
            return known;
        }
        let first = tokio::time::timeout(FIRST_WITHIN, pictures.wait_for(Option::is_some)).await;
        first.ok().and_then(Result::ok).and_then(|picture| picture.clone())
    }

    /// Looks again at once, because something was changed, and waits for what is seen.
    pub async fn look_again(&self) {
        let mut pictures = self.picture.subscribe();
        pictures.mark_unchanged();
        self.again.notify_one();
        let _seen_later_otherwise = tokio::time::timeout(SEEN_WITHIN, pictures.changed()).await;
    }

    /// The names of all tenants.
    pub async fn tenants(&self, site: &Site) -> Result<Vec<TenantName>, Problem> {
        let fresh = |known: &(Instant, Vec<TenantName>)| known.0.elapsed() < NAMES_FRESH;
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, names)) = known.filter(fresh) {
            return Ok(names);
        }
        let bucket = site.js.get_key_value(asset::TENANTS).await.map_err(Problem::broker)?;
        let keys: Vec<String> =
            bucket.keys().await.map_err(Problem::broker)?.try_collect().await.map_err(Problem::broker)?;
        let mut names: Vec<TenantName> = keys.iter().filter_map(|key| key.parse().ok()).take(NAMES_MAX).collect();
        names.sort();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), names.clone()));
        Ok(names)
    }

    async fn run(self: Arc<Self>, site: Arc<Site>) {
        loop {
            match tokio::time::timeout(LOOK_WITHIN, look(&site.nats)).await {
                Ok(Ok(picture)) => {
                    self.depths.note(crate::clock::now(), &picture);
                    self.picture.send_replace(Some(Arc::new(picture)));
                }
                Ok(Err(error)) => tracing::debug!(error = %error, "the cluster cannot be looked at"),
                Err(_) => tracing::debug!("the broker does not tell of the cluster in time"),
            }
            let visited = self.visited.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < VISIT;
            tokio::select! {
                () = site.stop.cancelled() => return,
                () = self.again.notified() => {}
                () = tokio::time::sleep(if visited { LOOK_EVERY } else { LOOK_IDLE }) => {}
            }
        }
    }
}
