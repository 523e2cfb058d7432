//! `lovage run`: a component file on this machine, with the worker's own sandbox and limits and no broker.

mod local;

use super::compile::compiler_program;
use super::exit::OrExit;
use super::input::read_input;
use super::push::{LimitArgs, SIZE_CEILING, read_component, shape, variable};
use super::worker::default_cache;
use super::{Exit, Failure, Output};
use crate::app::engine;
use crate::clock::now;
use crate::config::WorkerFile;
use crate::registry::push::{PushError, check};
use clap::Args;
use local::Local;
use lovage_job::capability::Capability;
use lovage_job::catalog::{Encoding, Export, Shape};
use lovage_job::limits::Limits;
use lovage_job::outcome::{JobError, Outcome};
use lovage_job::schema::InputCheck;
use lovage_job::unit::{ByteSize, format_span};
use lovage_sandbox::{AttemptControl, AttemptReport, AttemptRequest, InspectOptions, JobInfo, Sandbox, Services};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Run a component file once on this machine, without a broker.
///
/// Prints the result on standard output, and on standard error how it ended, what it used and which limits would fit.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The component (.wasm).
    file: PathBuf,
    /// Which task, where the component has several; or the input, where it has one.
    task: Option<String>,
    /// The input: JSON, @FILE or - for standard input [default: nothing].
    input: Option<String>,
    /// How to call a component that can be called in several ways.
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    shape: Option<Shape>,
    /// A header of the job; may be given several times.
    #[arg(long = "header", value_name = "K=V", value_parser = variable)]
    headers: Vec<(String, String)>,
    /// An argument for a program; may be given several times.
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<String>,
    /// A variable for a program's environment; may be given several times.
    #[arg(long = "env", value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Grant the run something beyond its sandbox, as for `push --allow`; what it submits goes nowhere, and may be given
    /// several times.
    #[arg(long = "allow", value_name = "CAPABILITY")]
    grants: Vec<Capability>,
    /// Let requests of the run go to addresses that are not public, such as this machine's.
    #[arg(long)]
    allow_private: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Where compiled components are kept [default: the user's cache].
    #[arg(long, value_name = "DIR", env = "LOVAGE_CACHE")]
    cache_dir: Option<PathBuf>,
}

pub(super) async fn main(args: RunArgs, output: Output) -> Result<Exit, Failure> {
    let bytes = read_component(&args.file, SIZE_CEILING)?;
    let file = WorkerFile::default();
    let cache = args.cache_dir.clone().map_or_else(default_cache, Ok)?;
    let compiler = compiler_program().or_exit(Exit::Host)?;
    let (sandbox, compiler) = engine(&file, 1, &cache, &compiler).or_exit(Exit::Host)?;
    let inspect = InspectOptions { size_max: SIZE_CEILING.as_usize(), shape: args.shape };
    let checked = check(&bytes, &inspect, &sandbox, &compiler).await.or_exit(Exit::Usage)?;
    let (export, input) = what_to_run(&args, &checked.exports)?;
    let input: bytes::Bytes = read_input(input.as_deref())?.into();
    InputCheck::new(&export.input).or_exit(Exit::Usage)?.check(&input).or_exit(Exit::Usage)?;
    let policy = file.limit_policy();
    let limits = policy.default.with(&export.limits).with(&args.limits.wish()).capped(&policy.ceiling);
    let task = sandbox.load(&checked.artifact, &export.entry).or_exit(Exit::Usage)?;
    let request = request(&args, &export, input, &limits);
    let report = on_local(task, request, args.allow_private).await;
    print(&sandbox, &export, &limits, report, output)
}

/// Attempts run on a runtime of one thread, as on a worker.
async fn on_local(task: lovage_sandbox::Task, request: AttemptRequest, allow_private: bool) -> AttemptReport {
    // what it submits and keeps goes nowhere: there is no broker
    let (name, grants) = (request.job.task.clone(), request.grants.clone());
    let services = |id| Arc::new(Local::new(id, &name, grants.clone(), allow_private)) as Arc<dyn Services>;
    let services = request.job.id.parse().ok().map(services);
    let control = AttemptControl { services, ..AttemptControl::default() };
    tokio::task::LocalSet::new().run_until(async move { task.run(request, control).await }).await
}

/// The task and its input. `run FILE INPUT` is enough where the component has one task.
fn what_to_run(args: &RunArgs, exports: &[Export]) -> Result<(Export, Option<String>), Failure> {
    let named = |name: &str| exports.iter().find(|export| export.name.as_str() == name).cloned();
    match (exports, &args.task, &args.input) {
        ([one], None, _) => Ok((one.clone(), None)),
        ([one], Some(text), None) if named(text).is_none() => Ok((one.clone(), Some(text.clone()))),
        (_, Some(name), input) => match named(name) {
            Some(export) => Ok((export, input.clone())),
            None => {
                let names: Vec<_> = exports.iter().map(|export| export.name.as_str()).collect();
                Err(Failure::new(Exit::NotFound, PushError::NoExport { wanted: name.clone(), names: names.join(", ") }))
            }
        },
        (many, None, _) => {
            let names: Vec<_> = many.iter().map(|export| export.name.as_str()).collect();
            let message = format!("the component has {} tasks: {}", many.len(), names.join(", "));
            Err(Failure::new(Exit::Usage, message).hint("name one of them after the file"))
        }
    }
}

fn request(args: &RunArgs, export: &Export, input: bytes::Bytes, limits: &Limits) -> AttemptRequest {
    let content_type = (export.input.encoding == Encoding::Json).then(|| "application/json".to_owned());
    AttemptRequest {
        job: JobInfo {
            id: "local".to_owned(),
            tenant: "default".to_owned(),
            queue: "default".to_owned(),
            task: export.name.to_string(),
            attempt: 1,
            attempts_max: 1,
            content_type,
            headers: args.headers.clone(),
            published_unix_ms: now().0,
            deadline_unix_ms: now().after(limits.timeout).0,
        },
        input,
        limits: Arc::new(limits.clone()),
        args: args.args.clone().into(),
        env: args.env.clone().into(),
        grants: Arc::new(args.grants.iter().cloned().collect()),
    }
}

fn print(
    sandbox: &Sandbox,
    export: &Export,
    limits: &Limits,
    report: AttemptReport,
    output: Output,
) -> Result<Exit, Failure> {
    let AttemptReport { outcome, meter, log, log_truncated } = report;
    let (kind, error) = (outcome.kind(), outcome.error());
    if output.json {
        let body = match &outcome {
            Outcome::Completed(result) => serde_json::from_slice(&result.body)
                .unwrap_or_else(|_| serde_json::Value::String(String::from_utf8_lossy(&result.body).into_owned())),
            _ => serde_json::Value::Null,
        };
        output.value(&serde_json::json!({
            "task": export.name, "outcome": kind, "result": body, "error": error,
            "fuel_used": meter.fuel_used, "memory_peak_bytes": meter.memory_peak_bytes, "wall_us": meter.wall_us,
            "log": String::from_utf8_lossy(&log), "log_truncated": log_truncated,
        }))?;
    } else {
        if let Outcome::Completed(result) = &outcome {
            output.raw(&result.body)?;
            // a result for people ends in a line break; bytes stay as they are
            if export.output.encoding == Encoding::Json {
                output.raw(b"\n")?;
            }
        }
        if !log.is_empty() {
            output.note(&format!("log{}:", if log_truncated { " (cut)" } else { "" }));
            output.note(String::from_utf8_lossy(&log).trim_end());
        }
        if let Some(error) = &error {
            note_error(error, output);
        }
        note_use(sandbox, limits, meter, kind, output);
    }
    Ok(if error.is_none() { Exit::Done } else { Exit::JobFailed })
}

/// An error with its details and backtrace, for people.
pub(super) fn note_error(error: &JobError, output: Output) {
    output.note(&format!("{}: {}", error.kind, error.message));
    if let Some(details) = &error.details {
        output.note(&format!("details: {details}"));
    }
    for frame in super::ended::frames(&error.backtrace) {
        output.note(&format!("  at {frame}"));
    }
}

fn note_use(
    sandbox: &Sandbox,
    limits: &Limits,
    meter: lovage_job::outcome::Meter,
    kind: lovage_job::outcome::OutcomeKind,
    output: Output,
) {
    let wall = Duration::from_micros(meter.wall_us);
    output.note(&format!(
        "{kind} · fuel {} of {} · memory {} of {} · time {wall:.1?} of {} · {:?} reset",
        meter.fuel_used,
        limits.fuel,
        ByteSize(meter.memory_peak_bytes),
        limits.memory,
        format_span(limits.timeout),
        sandbox.reset_mode(),
    ));
    let fuel = rounded(meter.fuel_used.saturating_mul(4).max(1_000_000));
    let memory = ByteSize((meter.memory_peak_bytes.saturating_mul(2).max(2 << 20)).next_power_of_two());
    let timeout = Duration::from_secs((wall.as_secs() * 10).max(1));
    output.note(&format!(
        "limits that would fit: --fuel {fuel} --memory {memory} --run-timeout {}",
        format_span(timeout)
    ));
}

/// Two leading digits and zeros, rounded up: a limit for people to read.
fn rounded(number: u64) -> u64 {
    let scale = 10u64.pow(number.max(1).ilog10().saturating_sub(1));
    number.div_ceil(scale).saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_limits_are_round() {
        assert_eq!(rounded(1_234_567), 1_300_000);
        assert_eq!(rounded(1_200_000), 1_200_000);
        assert_eq!(rounded(7), 7);
    }
}
