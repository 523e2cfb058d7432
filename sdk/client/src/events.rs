//! Events as they happen.

use crate::client::Client;
use crate::unfold::Unfold;
use async_nats::SubscribeError;
use futures::{Stream, StreamExt, stream};
use lovage_job::event::Event;
use lovage_job::name::JobId;
use lovage_job::subject::event_filter;

/// The largest event that is read, in bytes.
const EVENT_BYTES_MAX: usize = 64 << 10;

impl Client {
    /// Every event of the tenant from now on. Events may be lost, and what is not an event is skipped. The start of an
    /// attempt that was told only by its end is given before it; see `lovage_job::event` for their order.
    pub async fn events(&self) -> Result<impl Stream<Item = Event> + Unpin + use<>, SubscribeError> {
        self.events_on(event_filter(&self.tenant)).await
    }

    /// Every event of one job from now on.
    pub async fn events_of(&self, id: &JobId) -> Result<impl Stream<Item = Event> + Unpin + use<>, SubscribeError> {
        self.events_on(format!("lovage.{}.event.*.{id}.*", self.tenant)).await
    }

    async fn events_on(&self, filter: String) -> Result<impl Stream<Item = Event> + Unpin + use<>, SubscribeError> {
        let messages = self.nats.subscribe(filter).await?;
        let read = |message: async_nats::Message| {
            let fits = message.payload.len() <= EVENT_BYTES_MAX;
            std::future::ready(fits.then(|| serde_json::from_slice(&message.payload).ok()).flatten())
        };
        let mut unfold = Unfold::default();
        Ok(messages.filter_map(read).flat_map(move |event| stream::iter(unfold.take(event))))
    }
}
