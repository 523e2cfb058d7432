//! The charts of the overview, from sums of the history and from the ring of queue depths.

use super::super::chart::{Chart, Ink, Line, Unit};
use super::super::depths::Depth;
use lovage_history::Bucket;
use lovage_job::unit::UnixMs;

/// A span that is shown: its name in the address, its label, its length and the steps of its points, in minutes.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// In the address.
    pub value: &'static str,
    /// For people.
    pub label: &'static str,
    /// How long.
    pub minutes: u64,
    /// The time between two points.
    pub step: u64,
}

/// The spans to choose from.
pub const SPANS: [Span; 5] = [
    Span { value: "15m", label: "last 15 minutes", minutes: 15, step: 1 },
    Span { value: "1h", label: "last hour", minutes: 60, step: 1 },
    Span { value: "6h", label: "last 6 hours", minutes: 360, step: 5 },
    Span { value: "24h", label: "last 24 hours", minutes: 1_440, step: 15 },
    Span { value: "7d", label: "last 7 days", minutes: 10_080, step: 120 },
];

impl Span {
    /// The span of an address; the last hour where it names none.
    pub fn of(asked: Option<&str>) -> Self {
        let [_, hour, ..] = SPANS;
        SPANS.into_iter().find(|span| Some(span.value) == asked).unwrap_or(hour)
    }

    /// From when on.
    pub fn from(&self, now: UnixMs) -> UnixMs {
        UnixMs(now.0.saturating_sub(self.minutes * 60_000))
    }
}

fn ms(at: UnixMs) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// Throughput, latency and the rate of failures.
pub fn of_history(buckets: &[Bucket], span: Span, now: UnixMs) -> Vec<Chart> {
    let (from, to) = (ms(span.from(now)), ms(now));
    let chart = |title, unit, lines| Chart { title, unit, from, to, lines };
    // the minute that goes on is only a part of one
    let seconds = |bucket: &Bucket| {
        let whole = span.step * 60_000;
        (now.0.saturating_sub(bucket.at.0).clamp(1_000, whole)) as f64 / 1_000.0
    };
    let line = |name, ink, filled, figure: &dyn Fn(&Bucket) -> Option<f64>| {
        let points = buckets.iter().map(|bucket| (ms(bucket.at).max(from), figure(bucket))).collect();
        Line { name, ink, filled, points }
    };
    let rate = |count: u64, bucket: &Bucket| Some(count as f64 / seconds(bucket));
    let quantile = |part: f64| move |bucket: &Bucket| bucket.latency.quantile(part).map(|span| span.as_secs_f64());
    vec![
        chart(
            "Throughput",
            Unit::PerSecond,
            vec![
                line("completed", Ink::Ok, true, &|bucket| rate(bucket.completed, bucket)),
                line("failed", Ink::Bad, false, &|bucket| rate(bucket.failed, bucket)),
            ],
        ),
        chart(
            "Run time",
            Unit::Seconds,
            vec![
                line("p99", Ink::Warn, false, &quantile(0.99)),
                line("p95", Ink::Run, false, &quantile(0.95)),
                line("p50", Ink::Ok, true, &quantile(0.5)),
            ],
        ),
        chart("Failure rate", Unit::Share, vec![line("failed", Ink::Bad, true, &|bucket| failure_rate(bucket))]),
    ]
}

/// The share of jobs that failed; nothing where none ended.
pub fn failure_rate(bucket: &Bucket) -> Option<f64> {
    let all = bucket.completed + bucket.failed + bucket.other;
    (all > 0).then(|| bucket.failed as f64 / all as f64)
}

/// Depth and age of the queues.
pub fn of_depths(depths: &[(UnixMs, Depth)], span: Span, now: UnixMs) -> Vec<Chart> {
    let from = ms(depths.first().map_or(now, |(at, _)| *at)).max(ms(span.from(now)));
    // a chart of seconds would jump about
    let from = from.min(ms(now).saturating_sub(300_000));
    let chart = |title, unit, lines| Chart { title, unit, from, to: ms(now), lines };
    let line = |name, ink, filled, figure: &dyn Fn(&Depth) -> f64| {
        let points = depths.iter().map(|(at, depth)| (ms(*at), Some(figure(depth)))).collect();
        Line { name, ink, filled, points }
    };
    vec![
        chart(
            "Queue depth",
            Unit::Count,
            vec![
                line("waiting", Ink::Warn, true, &|depth| depth.waiting as f64),
                line("running", Ink::Run, false, &|depth| depth.running as f64),
            ],
        ),
        chart("Oldest waiting job", Unit::Seconds, vec![line("age", Ink::Warn, true, &|depth| depth.oldest_seconds)]),
    ]
}
