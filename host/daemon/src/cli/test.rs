//! `lovage test`: the cases of a file against a component, in the worker's own sandbox, with a simulated clock and no
//! broker. For task authors who have this program and no more; `lovage-testing` is the same as a Rust crate.

mod case;
mod expect;

use super::exit::OrExit;
use super::{Exit, Failure, Output};
use case::{Case, CaseFile};
use clap::Args;
use lovage_testing::TaskTest;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The largest file of cases.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Test a component with the cases of a file, without a broker.
///
/// Each case is a job: its input, when it runs, and what must come of it: the outcome, the result, progress, children,
/// checkpoints, log, fuel, and the attempts that the retry policy makes. The clock is simulated, so sleeps and back-offs
/// take no time, and the same case gives the same result each time. `lovage new` writes a file to start from.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The cases (.toml).
    #[arg(default_value = "tests/cases.toml")]
    cases: PathBuf,
    /// The component (.wasm) [default: what `component` in the file says, relative to the file].
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Only the cases with this in their name.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

pub(super) async fn main(args: TestArgs, output: Output) -> Result<Exit, Failure> {
    // the simulated clock is that of a runtime of its own, which cannot be driven from within this one
    tokio::task::spawn_blocking(move || run(&args, output)).await.or_exit(Exit::Host)?
}

fn run(args: &TestArgs, output: Output) -> Result<Exit, Failure> {
    let file = read(&args.cases)?;
    let folder = args.cases.parent().unwrap_or(Path::new(""));
    let component = match (&args.component, &file.component) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => folder.join(path),
        (None, None) => {
            let message = format!("{}: no component is named", args.cases.display());
            return Err(Failure::new(Exit::Usage, message).hint("say `component = \"…\"` at its top, or --component"));
        }
    };
    let chosen = |case: &&Case| args.only.as_ref().is_none_or(|text| case.name.contains(text));
    let cases: Vec<_> = file.cases.iter().filter(chosen).collect();
    if cases.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{}: there is no such case to run", args.cases.display())));
    }
    let ready = TaskTest::new(component).or_exit(Exit::Usage)?;
    let mut failed = 0;
    for case in &cases {
        failed += usize::from(!tell(case, folder, &ready, output)?);
    }
    let passed = cases.len() - failed;
    output.note(&format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { Exit::Done } else { Exit::JobFailed })
}

fn read(path: &Path) -> Result<CaseFile, Failure> {
    let fault = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| fault(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(fault(&format!("{size} bytes are more than {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    CaseFile::parse(&text).map_err(|error| fault(&error))
}

/// Runs a case and tells of it: whether it passed.
fn tell(case: &Case, folder: &Path, ready: &TaskTest, output: Output) -> Result<bool, Failure> {
    let ran = case.run(folder, ready);
    let faults = match &ran {
        Ok(ran) => case.expect.faults(ran),
        Err(fault) => vec![format!("it cannot run: {fault}")],
    };
    let passed = faults.is_empty();
    let report = ran.as_ref().ok().map(|ran| &ran.last);
    if output.json {
        let ran = ran.as_ref().ok();
        output.value(&json!({
            "case": case.name, "passed": passed, "faults": faults,
            "outcome": report.map(|report| report.kind()), "attempts": ran.map(|ran| ran.attempts),
            "fuel_used": report.map(|report| report.fuel_used),
            "memory_peak_bytes": report.map(|report| report.memory_peak_bytes),
            "simulated_ms": ran.and_then(|ran| u64::try_from(ran.took.as_millis()).ok()),
            "log": report.map(|report| report.log.as_str()),
        }))?;
        return Ok(passed);
    }
    let used = report.map(|report| format!(" (fuel {})", report.fuel_used)).unwrap_or_default();
    output.line(&format!("{} {}{used}", if passed { "ok    " } else { "FAILED" }, case.name))?;
    for fault in faults {
        output.line(&format!("         {fault}"))?;
    }
    if let Some(report) = report.filter(|report| !passed && !report.log.is_empty()) {
        output.line(&format!("         log:\n{}", report.log.trim_end()))?;
    }
    Ok(passed)
}
