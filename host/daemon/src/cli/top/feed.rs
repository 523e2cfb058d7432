//! What `top` hears: ends and retries of attempts as they are told, and a look at the broker every few seconds.

use super::board::Heard;
use crate::telemetry::cluster::{LookError, Picture, look};
use async_nats::{Client, Message, SubscribeError};
use futures::{Stream, StreamExt, stream};
use lovage_job::event::Event;
use lovage_job::name::TenantName;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the broker is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// The largest event that is read, in bytes.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// What is heard of: the last tokens of events that end an attempt.
const ENDS: [&str; 2] = ["finished", "retrying"];

/// Something new.
#[derive(Debug)]
pub(super) enum News {
    /// An attempt ended.
    Event(Heard),
    /// How the cluster is, or why that cannot be told.
    Picture(Result<Arc<Picture>, String>),
}

/// What is heard.
pub(super) struct Feed {
    events: Pin<Box<dyn Stream<Item = Heard> + Send>>,
    pictures: mpsc::Receiver<Result<Arc<Picture>, String>>,
}

impl Feed {
    /// Listens to one tenant, or to all of them.
    pub(super) async fn start(client: Client, tenant: Option<&TenantName>) -> Result<Self, SubscribeError> {
        let of = tenant.map_or("*", TenantName::as_str);
        let mut all = Vec::new();
        for end in ENDS {
            all.push(client.subscribe(format!("lovage.{of}.event.*.*.{end}")).await?);
        }
        let events = stream::select_all(all).filter_map(|message| std::future::ready(read(&message)));
        let (sender, pictures) = mpsc::channel(1);
        // ends with the receiver
        tokio::spawn(async move {
            loop {
                let looked = tokio::time::timeout(LOOK_WITHIN, look(&client)).await;
                if sender.send(told(looked)).await.is_err() {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Ok(Self { events: Box::pin(events), pictures })
    }

    /// The next thing that is heard; nothing once the connection is closed.
    pub(super) async fn next(&mut self) -> Option<News> {
        tokio::select! {
            event = self.events.next() => event.map(News::Event),
            picture = self.pictures.recv() => picture.map(News::Picture),
        }
    }
}

fn told(looked: Result<Result<Picture, LookError>, tokio::time::error::Elapsed>) -> Result<Arc<Picture>, String> {
    match looked {
        Ok(Ok(picture)) => Ok(Arc::new(picture)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the broker does not tell; only operators may ask".to_owned()),
    }
}

/// Reads an event and whose it is, which its subject tells. What is not an event is skipped.
fn read(message: &Message) -> Option<Heard> {
    let tenant = message.subject.split('.').nth(1)?.parse().ok()?;
    let fits = message.payload.len() <= EVENT_BYTES_MAX;
    let event: Event = fits.then(|| serde_json::from_slice(&message.payload).ok()).flatten()?;
    Some(Heard { tenant, event })
}
