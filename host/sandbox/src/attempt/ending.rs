//! Reads why a guest stopped: from the engine's error to one outcome.

use crate::attempt::budget::BudgetShort;
use crate::attempt::cancel::CancelSignal;
use crate::attempt::cell::Cell;
use crate::attempt::journal::clipped;
use crate::attempt::panic_text::panic_sentence;
use crate::attempt::pipe::OutputOverflow;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Outcome, Trap};
use wasmtime::{PoolConcurrencyLimitError, Trap as EngineTrap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Bytes of the log that are searched for a panic.
const PANIC_TAIL_BYTES: usize = 16 << 10;
/// Bytes of one frame of a backtrace.
const FRAME_BYTES_MAX: usize = 256;
/// Bytes of an engine's message.
const MESSAGE_BYTES_MAX: usize = 2048;
/// The reason of a cancel that gives none.
const NO_REASON: &str = "the job was cancelled";

/// Why the host stopped the guest at an epoch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the attempt is over its time")]
    Deadline,
    #[error("the job was cancelled")]
    Cancelled,
}

/// How far an attempt had come when it failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The component could not be set up.
    Instantiate(wasmtime::Error),
    /// The call failed.
    Call(wasmtime::Error),
}

/// The outcome of an attempt that ended with an error of the engine.
pub(crate) fn outcome_of(fault: Fault, cell: &Cell, limits: &Limits) -> Outcome {
    let (error, calling) = match &fault {
        Fault::Instantiate(error) => (error, false),
        Fault::Call(error) => (error, true),
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Deadline => timed_out(cell, limits),
            Stop::Cancelled => cancelled(cell),
        };
    }
    if error.is::<OutputOverflow>() {
        return Outcome::OutputTooLarge { output_bytes: limits.output.0 };
    }
    if error.is::<BudgetShort>() || error.is::<PoolConcurrencyLimitError>() {
        return Outcome::HostFault {
            message: clipped(&format!("the worker is full: {error}"), MESSAGE_BYTES_MAX).to_owned(),
        };
    }
    match error.downcast_ref::<EngineTrap>() {
        Some(EngineTrap::OutOfFuel) => return Outcome::OutOfFuel { fuel: limits.fuel },
        Some(EngineTrap::StackOverflow) => return Outcome::StackOverflow(trap(error, cell)),
        _ => {}
    }
    if cell.memory.denied() {
        return out_of_memory(cell);
    }
    // Without a frame of the guest, the error came up while its result was copied.
    let in_guest = error.is::<EngineTrap>() || error.is::<WasmBacktrace>();
    if in_guest {
        Outcome::Trapped(trap(error, cell))
    } else if !calling {
        Outcome::BadComponent { message: format!("the component cannot be set up: {}", message(error)) }
    } else if is_hostcall_limit(error) {
        Outcome::OutputTooLarge { output_bytes: limits.output.0 }
    } else {
        Outcome::Trapped(Trap {
            message: format!("the result cannot be read: {}", message(error)),
            backtrace: Vec::new(),
        })
    }
}

/// The outcome of an attempt whose time is over. One that was waiting for the worker's memory is not to blame.
pub(crate) fn timed_out(cell: &Cell, limits: &Limits) -> Outcome {
    if cell.waits_for_memory() {
        return Outcome::HostFault { message: format!("the worker is full: {BudgetShort}") };
    }
    Outcome::TimedOut { timeout: limits.timeout }
}

/// The outcome of an attempt that was refused memory. The limit may be that of the sandbox.
pub(crate) fn out_of_memory(cell: &Cell) -> Outcome {
    Outcome::OutOfMemory { memory_bytes: u64::try_from(cell.memory.limit_bytes()).unwrap_or(u64::MAX) }
}

/// The outcome of an attempt that was stopped.
pub(crate) fn cancelled(cell: &Cell) -> Outcome {
    cell.cancel.as_ref().map_or_else(|| Outcome::Cancelled { reason: NO_REASON.to_owned() }, stopped_for)
}

/// The outcome of an attempt that was stopped through `signal`.
pub(crate) fn stopped_for(signal: &CancelSignal) -> Outcome {
    Outcome::Cancelled { reason: signal.reason().unwrap_or(NO_REASON).to_owned() }
}

/// The engine does not give this error a public type.
fn is_hostcall_limit(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

fn message(error: &wasmtime::Error) -> String {
    clipped(&error.root_cause().to_string(), MESSAGE_BYTES_MAX).to_owned()
}

fn trap(error: &wasmtime::Error, cell: &Cell) -> Trap {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let reached_end = matches!(error.downcast_ref::<EngineTrap>(), Some(EngineTrap::UnreachableCodeReached));
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return Trap { message: format!("the task exited with status {status} and gave no result"), backtrace };
    }
    let panic = if reached_end { panic_sentence(&cell.journal.tail(PANIC_TAIL_BYTES)) } else { None };
    let message = panic.unwrap_or_else(|| match error.downcast_ref::<EngineTrap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => message(error),
    });
    Trap { message, backtrace }
}

/// The names of the frames, innermost first. The engine's own text is read, since only that undoes name mangling.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let text = backtrace.to_string();
    let lines = text.lines().filter_map(|line| {
        let (number, rest) = line.trim_start().split_once(": ")?;
        number.parse::<usize>().ok()?;
        let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
        // The file's name stands before the function's and is the same everywhere.
        let name = name.split_once('!').map_or(name, |(_, name)| name).trim();
        Some(clipped(without_hash(name), FRAME_BYTES_MAX).to_owned())
    });
    lines.collect()
}

/// A Rust name without the hash that its compiler ends it with.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}
