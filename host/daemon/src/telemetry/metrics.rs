//! Metrics as they are scraped: sources give their samples, and the whole is written in the format that was asked for.

use super::cluster::Cluster;
use super::names::BUILD_INFO;
use super::{Samples, process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What has metrics to tell. Asked at each scrape, so it must answer at once.
pub trait Source: std::fmt::Debug + Send + Sync + 'static {
    /// Tells all that it has.
    fn tell(&self, samples: &mut Samples);
}

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header asks for; the plain one where it does not say.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The metrics of a process.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    sources: Vec<Arc<dyn Source>>,
    cluster: Option<Arc<Cluster>>,
}

impl Metrics {
    /// The metrics of these sources, and of the process itself.
    pub fn new(sources: Vec<Arc<dyn Source>>) -> Self {
        Self { sources, cluster: None }
    }

    /// These, and those of the cluster.
    #[must_use]
    pub fn with_cluster(self, cluster: Arc<Cluster>) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// The values of now. Those of the cluster may be a few seconds old.
    pub async fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        samples.number(&BUILD_INFO, [env!("CARGO_PKG_VERSION")], 1.0);
        self.sources.iter().for_each(|source| source.tell(&mut samples));
        if let Some(cluster) = &self.cluster {
            samples.extend(&cluster.samples().await);
        }
        process::tell(&mut samples);
        samples
    }

    /// The values of now, written.
    pub async fn text(&self, format: Format) -> Result<String, std::fmt::Error> {
        write(self.samples().await, format)
    }
}

#[derive(Debug)]
struct Scrape(Samples);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> std::fmt::Result {
        self.0.encode(&mut encoder)
    }
}

fn write(samples: Samples, format: Format) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples)));
    let mut text = String::new();
    match format {
        Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
        Format::OpenMetrics => text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::names::{ATTEMPT_SECONDS, JOBS, WORKER_MODE};
    use super::*;
    use crate::counters::{Buckets, Histogram};

    fn scrape() -> Samples {
        let histogram = Histogram::new(Buckets(&[1_000, 2_000_000]));
        [500, 1_000, 3_000_000].into_iter().for_each(|value| histogram.observe(value));
        let mut samples = Samples::default();
        samples.count(&JOBS, ["mail", "completed"], 3);
        samples.histogram(&ATTEMPT_SECONDS, ["ma\"il"], &histogram.read(), 1e6);
        samples.count(&JOBS, ["mail", "failed"], 1);
        samples.number(&WORKER_MODE, ["quiet"], 0.0);
        samples
    }

    #[test]
    fn a_scrape_is_written_as_prometheus_reads_it() {
        assert_eq!(
            write(scrape(), Format::Prometheus).unwrap(),
            "# HELP lovage_jobs_total Jobs that ended on this worker.\n\
             # TYPE lovage_jobs_total counter\n\
             lovage_jobs_total{queue=\"mail\",outcome=\"completed\"} 3.0\n\
             lovage_jobs_total{queue=\"mail\",outcome=\"failed\"} 1.0\n\
             # HELP lovage_attempt_duration_seconds How long attempts took.\n\
             # TYPE lovage_attempt_duration_seconds histogram\n\
             lovage_attempt_duration_seconds_bucket{queue=\"ma\\\"il\",le=\"0.001\"} 2\n\
             lovage_attempt_duration_seconds_bucket{queue=\"ma\\\"il\",le=\"2\"} 2\n\
             lovage_attempt_duration_seconds_bucket{queue=\"ma\\\"il\",le=\"+Inf\"} 3\n\
             lovage_attempt_duration_seconds_sum{queue=\"ma\\\"il\"} 3.0015\n\
             lovage_attempt_duration_seconds_count{queue=\"ma\\\"il\"} 3\n\
             # HELP lovage_worker_mode 1 for the mode that the worker is in: running, quiet or draining.\n\
             # TYPE lovage_worker_mode gauge\n\
             lovage_worker_mode{mode=\"quiet\"} 0.0\n"
        );
    }

    #[test]
    fn open_metrics_is_written_where_it_is_accepted() {
        let format = Format::accepted(Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
        let text = write(scrape(), format).unwrap();
        assert!(text.contains("# TYPE lovage_jobs counter\n") && text.ends_with("# EOF\n"), "{text}");
        assert_eq!(Format::accepted(Some("text/html")), Format::Prometheus);
        assert_eq!(Format::accepted(None), Format::Prometheus);
    }
}
