//! `lovage bench`: how fast this machine is, end to end, beside a null worker.

use super::compile::compiler_program;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::bench::{BenchOptions, DelayedOptions, Report, Shared, SharedOptions, run};
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
        isolation: args.isolation,
        concurrency: args.concurrency.map(usize::from),
        nats_server: args.nats_server,
        compiler: compiler_program().or_exit(Exit::Host)?,
    };
    let report = run(options, |said| output.note(said)).await.or_exit(Exit::Host)?;
    print(&report, output)?;
    Ok(Exit::Done)
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
    report.tenants.as_ref().map_or(Ok(()), |shared| print_shared(shared, output))
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
