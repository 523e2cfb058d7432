//! An exporter that says when spans do not arrive, once, and when they do again. The library says nothing of it.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An exporter that is watched.
#[derive(Debug)]
pub(super) struct Watched<E> {
    exporter: E,
    url: String,
    failing: AtomicBool,
}

impl<E> Watched<E> {
    /// Watches an exporter that sends to `url`.
    pub(super) fn new(exporter: E, url: String) -> Self {
        Self { exporter, url, failing: AtomicBool::new(false) }
    }

    fn note(&self, exported: &OTelSdkResult, spans: usize) {
        let before = self.failing.swap(exported.is_err(), Ordering::Relaxed);
        match exported {
            Err(error) if !before => {
                tracing::warn!(url = self.url, spans, error = %error, "spans are lost: they cannot be sent");
            }
            Ok(()) if before => tracing::info!(url = self.url, "spans are sent again"),
            Ok(()) | Err(_) => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        self.note(&exported, spans);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
