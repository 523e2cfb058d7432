//! `lovage bench`: how fast this machine is, end to end, beside a null worker.

use super::compile::compiler_program;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::bench::{BenchOptions, Beside, DelayedOptions, Hostile, HostileOptions, Report, Shared, SharedOptions, run};
use crate::config::Isolation;
use crate::telemetry::{self, LogFormat};
use clap::Args;
use lovage_job::unit::parse_span;
use std::path::PathBuf;
use std::time::Duration;

/// Measure jobs per second and latency on a server of its own, beside a null worker.
///
/// The null worker pulls, publishes a result and acknowledges, with no sandbox and no rules.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Jobs of each drain.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    jobs: u32,
    /// Drains of each worker; the ratio is the median.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Jobs that are timed one by one.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    samples: u32,
    /// Also run so many delayed jobs, held by the broker, and tell how late they start.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    delayed: Option<u32>,
    /// The time that the delayed jobs are due in.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "1m", requires = "delayed")]
    delayed_within: Duration,
    /// Also measure how tenants share a worker: what a backlog of so many busy jobs of one tenant does to the round trip
    /// of another, and how weights 1, 2 and 4 divide the worker.
    #[arg(long, value_name = "BACKLOG", num_args = 0..=1, default_missing_value = "100000", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    tenants: Option<u32>,
    /// Also measure what hostile jobs of one tenant do to another: so many round trips of a victim alone and beside each
    /// of a list of inputs, all results checked, and the worker's peak memory (on Linux).
    #[arg(long, value_name = "SAMPLES", num_args = 0..=1, default_missing_value = "1000", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    hostile: Option<u32>,
    /// Also measure the worker with each tenant's jobs in a process of its own: `process`.
    #[arg(long, value_enum, value_name = "MODE", default_value = "in-process")]
    isolation: Isolation,
    /// Attempts at once [default: eight for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8000))]
    concurrency: Option<u16>,
    /// A nats-server program to use.
    #[arg(long, value_name = "FILE", env = "LOVAGE_NATS_SERVER")]
    nats_server: Option<PathBuf>,
}

pub(super) async fn main(args: BenchArgs, output: Output) -> Result<Exit, Failure> {
    telemetry::start(LogFormat::Text, "error");
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let options = BenchOptions {
        jobs: size(args.jobs),
        rounds: size(args.rounds),
        samples: size(args.samples),
        delayed: args.delayed.map(|jobs| DelayedOptions { jobs: size(jobs), within: args.delayed_within }),
        tenants: args.tenants.map(|backlog| SharedOptions { backlog: size(backlog) }),
        hostile: args.hostile.map(|samples| HostileOptions { samples: size(samples) }),
        isolation: args.isolation,
        concurrency: args.concurrency.map(usize::from),
        nats_server: args.nats_server,
        compiler: compiler_program().or_exit(Exit::Host)?,
    };
    let report = run(options, |said| output.note(said)).await.or_exit(Exit::Host)?;
    print(&report, output)?;
    match report.hostile.as_ref().map_or(0, Hostile::wrong) {
        0 => Ok(Exit::Done),
        wrong => Err(Failure::new(Exit::Host, format!("{wrong} jobs of the victim were not right"))),
    }
}

fn print(report: &Report, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.value(report);
    }
    if !report.release {
        output.note("this is a debug build: build with --release for figures that mean something");
    }
    let rates = |rates: &[f64]| rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join("  ");
    output.line(&format!("null worker  {} jobs/s", rates(&report.null_jobs_per_s)))?;
    output.line(&format!("worker       {} jobs/s", rates(&report.worker_jobs_per_s)))?;
    output.line(&format!("ratio        {:.2} (median of {} rounds)", report.ratio, report.null_jobs_per_s.len()))?;
    let latency = &report.latency;
    output.line(&format!(
        "round trip   p50 {} µs  p99 {} µs  max {} µs ({} jobs, one at a time)",
        latency.p50_us, latency.p99_us, latency.max_us, latency.samples
    ))?;
    if let Some(apart) = &report.apart {
        output.line(&format!("apart        {} jobs/s", rates(&apart.worker_jobs_per_s)))?;
        output.line(&format!("ratio        {:.2} of the worker with jobs in its own process", apart.ratio))?;
        let latency = &apart.latency;
        output.line(&format!(
            "round trip   p50 {} µs  p99 {} µs  max {} µs ({} jobs, one at a time)",
            latency.p50_us, latency.p99_us, latency.max_us, latency.samples
        ))?;
    }
    if let Some(delayed) = &report.delayed {
        output.line(&format!(
            "delayed      late by p50 {} ms  p99 {} ms  max {} ms ({} jobs due within {} ms, each ran once)",
            delayed.late_p50_ms, delayed.late_p99_ms, delayed.late_max_ms, delayed.jobs, delayed.within_ms
        ))?;
        output.line(&format!(
            "             submitted at {:.0} jobs/s, run at {:.0} jobs/s",
            delayed.submitted_per_s, delayed.jobs_per_s
        ))?;
    }
    if let Some(shared) = &report.tenants {
        print_shared(shared, output)?;
    }
    report.hostile.as_ref().map_or(Ok(()), |hostile| print_hostile(hostile, output))
}

fn print_hostile(hostile: &Hostile, output: Output) -> Result<(), Failure> {
    let place = if hostile.isolated { "a process of its own" } else { "the worker's process" };
    output.line(&format!(
        "hostile      a victim's round trips in µs beside the jobs of another tenant, each tenant in {place}"
    ))?;
    let row = |row: &Beside| {
        let outcomes: Vec<_> = row.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        vec![
            row.input.to_owned(),
            row.latency.p50_us.to_string(),
            row.latency.p99_us.to_string(),
            format!("{:.2}", row.p99_ratio),
            row.right.to_string(),
            row.wrong.to_string(),
            row.peak_bytes.map(|bytes| format!("{} MiB", bytes >> 20)).unwrap_or_default(),
            outcomes.join(", "),
        ]
    };
    let heads = ["BESIDE", "P50", "P99", "RATIO", "RIGHT", "WRONG", "PEAK", "HOSTILE JOBS"];
    output.table(&heads, hostile.rows.iter().map(row).collect())
}

fn print_shared(shared: &Shared, output: Output) -> Result<(), Failure> {
    let Shared { backlog, idle, beside, p99_ratio, weights } = shared;
    output.line(&format!(
        "neighbours   round trip alone p50 {} µs  p99 {} µs; beside a tenant with {backlog} busy jobs p50 {} µs  p99 {} µs: p99 {p99_ratio:.2} times",
        idle.p50_us, idle.p99_us, beside.p50_us, beside.p99_us
    ))?;
    let of: Vec<String> = weights.iter().map(|of| format!("{} jobs", of.jobs)).collect();
    let off = weights.iter().map(|of| of.off_percent.abs()).fold(0.0, f64::max);
    output.line(&format!("weights      1 : 2 : 4 gave {} (at most {off:.1} % off)", of.join(" : ")))
}
