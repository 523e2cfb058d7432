//! The values of one scrape. Only metrics of the contract can be told, each with the labels that the contract gives it.

use super::names::{Kind, Metric};
use crate::counters::Reading;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Histogram { sum: f64, count: u64, buckets: Vec<(f64, u64)> },
}

/// The values of one metric, each with its labels.
#[derive(Debug, Clone)]
struct Family {
    metric: &'static Metric,
    values: Vec<(Vec<(&'static str, String)>, Value)>,
}

/// The values of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Family>);

impl Samples {
    /// Tells a number. Labels come in the order of the contract.
    pub fn number<const N: usize>(&mut self, metric: &'static Metric, labels: [&str; N], value: f64) {
        self.add(metric, &labels, Value::Number(value));
    }

    /// Tells how much there is of something.
    pub fn count<const N: usize>(&mut self, metric: &'static Metric, labels: [&str; N], count: u64) {
        self.number(metric, labels, as_number(count));
    }

    /// Tells a histogram whose values are counted in a unit of which `per_base` make the base unit.
    pub fn histogram<const N: usize>(
        &mut self,
        metric: &'static Metric,
        labels: [&str; N],
        reading: &Reading,
        per_base: f64,
    ) {
        let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| as_number(bound) / per_base);
        let buckets = reading.buckets.iter().map(|(upper, count)| (bound(*upper), *count)).collect();
        let (sum, count) = (as_number(reading.sum) / per_base, reading.count);
        self.add(metric, &labels, Value::Histogram { sum, count, buckets });
    }

    /// The value of a metric with these labels, as a test or a view wants it.
    pub fn get(&self, metric: &Metric, labels: &[&str]) -> Option<f64> {
        let family = self.0.iter().find(|family| family.metric.name == metric.name)?;
        let same = |given: &[(&str, String)]| given.iter().map(|(_, value)| value.as_str()).eq(labels.iter().copied());
        let (_, value) = family.values.iter().find(|(given, _)| same(given))?;
        match value {
            Value::Number(number) => Some(*number),
            Value::Histogram { count, .. } => Some(as_number(*count)),
        }
    }

    /// Adds all of another scrape.
    pub fn extend(&mut self, other: &Self) {
        for family in &other.0 {
            self.family(family.metric).values.extend(family.values.iter().cloned());
        }
    }

    fn add(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{} has other labels", metric.name);
        let labels = metric.labels.iter().copied().zip(labels.iter().map(|label| (*label).to_owned())).collect();
        self.family(metric).values.push((labels, value));
    }

    fn family(&mut self, metric: &'static Metric) -> &mut Family {
        let place = self.0.iter().position(|family| family.metric.name == metric.name);
        let place = place.unwrap_or_else(|| {
            self.0.push(Family { metric, values: Vec::new() });
            self.0.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut self.0[place]
    }

    /// Writes all of it.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder) -> std::fmt::Result {
        for Family { metric, values } in &self.0 {
            // the library adds the ending that counters have
            let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut encoder = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for (labels, value) in values {
                let mut encoder = encoder.encode_family(labels)?;
                match value {
                    Value::Number(number) if metric.kind == Kind::Counter => {
                        encoder.encode_counter::<NoLabelSet, _, u64>(number, None)?;
                    }
                    Value::Number(number) => encoder.encode_gauge(number)?,
                    Value::Histogram { sum, count, buckets } => {
                        encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Exact below 2^53, which no count of ours reaches soon.
#[allow(clippy::cast_precision_loss)]
pub(super) fn as_number(count: u64) -> f64 {
    count as f64
}
