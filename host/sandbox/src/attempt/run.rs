//! One attempt from start to end: a slot, a store with every limit on, the call, and the reading of its end.
//!
//! Everything of the attempt lives in this call and is gone when it returns. Nothing here retries.

use crate::attempt::asked::Asked;
use crate::attempt::budget::Purse;
use crate::attempt::cancel::CancelSignal;
use crate::attempt::cell::Cell;
use crate::attempt::ending::{Fault, Stop, cancelled, outcome_of, stopped_for, timed_out};
use crate::attempt::host_memory::HostMemory;
use crate::attempt::journal::Journal;
use crate::attempt::memory::MemoryLimiter;
use crate::attempt::pipe::{LogPipe, PayloadPipe, ResultPipe};
use crate::attempt::request::{AttemptControl, AttemptReport, AttemptRequest, JobInfo};
use crate::capability::clocks::{self, WallClock};
use crate::capability::prepared::Capable;
use crate::capability::scratch::{Folder, SCRATCH_PATH};
use crate::sandbox::Room;
use crate::shape::egress::Egress;
use crate::shape::{Call, Callee};
use bytes::Bytes;
use futures::FutureExt;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Meter, Outcome};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::WasiHttpCtx;

/// Fuel between two points where the count is written back; what a guest is stopped within is not counted.
const FUEL_WRITE_BACK: u64 = 100_000_000;
/// Where programs look for the name of a folder for temporary files.
const TEMPORARY_FOLDER: &str = "TMPDIR";
/// The longest attempt, where a limit would overflow the clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// What the host may copy out of a guest beside its result and its log.
const HOSTCALL_MARGIN: u64 = 1 << 20;

/// What runs in a store.
pub(crate) trait Guest: Send {
    /// What it gives where it does not fail.
    type Answer: Send;
    /// Sets the component up and calls it.
    fn call(self, store: &mut Store<Cell>) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

struct TaskCall<'t> {
    callee: &'t Callee,
    call: Call,
}

impl Guest for TaskCall<'_> {
    type Answer = Outcome;
    async fn call(self, store: &mut Store<Cell>) -> Result<Outcome, Fault> {
        self.callee.call(store, self.call).await
    }
}

/// Makes one attempt.
pub(crate) async fn run(
    room: &Room,
    callee: &Callee,
    request: AttemptRequest,
    control: AttemptControl,
) -> AttemptReport {
    let started = std::time::Instant::now();
    let limits = request.limits.clone();
    let journal = Journal::new(limits.log.as_usize(), control.events.clone());
    if control.simulation.is_some() {
        journal.tell_all_progress();
    }
    let result = callee.wants_result_pipe().then(|| ResultPipe::new(limits.output.as_usize()));
    let cell = cell(room, &request, &control, &journal, result.as_ref());
    let guest = TaskCall { callee, call: Call { request, result } };
    let mut meter = Meter::default();
    let (Ok(mut outcome) | Err(mut outcome)) = guarded(room, cell, &limits, guest, &mut meter).await;
    if let Some(signal) = control.cancel.as_ref().filter(|signal| signal.was_told()) {
        outcome = told(outcome, signal);
    }
    outcome = journal.given().clean_outcome(outcome);
    // A sink that panics here loses only itself.
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| journal.finish()));
    let (log, log_truncated) = told.unwrap_or_default();
    meter.wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    AttemptReport { outcome, meter, log, log_truncated }
}

/// A guest that heard of its cancel ends for that reason, also where it ends well: its work is not done.
fn told(outcome: Outcome, signal: &CancelSignal) -> Outcome {
    match outcome {
        Outcome::HostFault { .. } => outcome,
        _ => stopped_for(signal),
    }
}

/// Runs `guest` under `limits` for its answer alone, outside of any job.
pub(crate) async fn ask<G: Guest>(room: &Room, limits: &Arc<Limits>, guest: G) -> Result<G::Answer, Outcome> {
    let request = AttemptRequest {
        job: JobInfo::default(),
        input: Bytes::new(),
        limits: limits.clone(),
        args: Arc::default(),
        env: Arc::default(),
        grants: Arc::default(),
    };
    let journal = Journal::new(limits.log.as_usize(), None);
    let cell = cell(room, &request, &AttemptControl::default(), &journal, None);
    guarded(room, cell, limits, guest, &mut Meter::default()).await
}

/// Catches panics of the host, also those of dropping what a guest leaves behind.
async fn guarded<G: Guest>(
    room: &Room,
    cell: Cell,
    limits: &Limits,
    guest: G,
    meter: &mut Meter,
) -> Result<G::Answer, Outcome> {
    match AssertUnwindSafe(attempt(room, cell, limits, guest, meter)).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => {
            tracing::error!(panic = panic_message(panic.as_ref()), "the sandbox panicked");
            Err(Outcome::HostFault { message: "the worker failed while it ran the task".to_owned() })
        }
    }
}

async fn attempt<G: Guest>(
    room: &Room,
    cell: Cell,
    limits: &Limits,
    guest: G,
    meter: &mut Meter,
) -> Result<G::Answer, Outcome> {
    let deadline = cell.deadline;
    let cancel = cell.cancel.clone();
    let stopped = async {
        match &cancel {
            Some(signal) => signal.wait().await,
            None => std::future::pending().await,
        }
    };
    let mut stopped = std::pin::pin!(stopped);
    let _slot = match room.try_slot() {
        Some(slot) => slot,
        None => tokio::select! {
            biased;
            () = &mut stopped => return Err(cancelled(&cell)),
            slot = room.slot() => slot.ok_or_else(no_slot)?,
            () = tokio::time::sleep_until(deadline) => return Err(no_slot()),
        },
    };
    if cancel.as_ref().is_some_and(|signal| signal.is_stopped()) {
        return Err(cancelled(&cell));
    }
    let mut store = Store::new(room.engine(), cell);
    limit(&mut store, limits);
    let end = {
        let guest = AssertUnwindSafe(guest.call(&mut store)).catch_unwind();
        tokio::select! {
            biased;
            end = guest => End::Returned(end),
            () = &mut stopped => End::Stopped,
            () = tokio::time::sleep_until(deadline) => End::Deadline,
        }
    };
    meter.fuel_used = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
    meter.egress_bytes = store.data().egress.used_bytes();
    meter.memory_peak_bytes = store.data().memory_peak_bytes();
    match end {
        End::Returned(Ok(Ok(answer))) => Ok(answer),
        End::Returned(Ok(Err(fault))) => Err(outcome_of(fault, store.data(), limits)),
        End::Returned(Err(panic)) => std::panic::resume_unwind(panic),
        End::Stopped => Err(cancelled(store.data())),
        End::Deadline => Err(timed_out(store.data(), limits)),
    }
}

fn no_slot() -> Outcome {
    Outcome::HostFault { message: "the worker is full: no sandbox is free".to_owned() }
}

enum End<T> {
    Returned(T),
    Stopped,
    Deadline,
}

fn cell(
    room: &Room,
    request: &AttemptRequest,
    control: &AttemptControl,
    journal: &Journal,
    result: Option<&ResultPipe>,
) -> Cell {
    let limits = &request.limits;
    let started = Instant::now();
    let deadline = started + limits.timeout.min(TIMEOUT_MAX);
    let mut wasi = WasiCtx::builder();
    wasi.max_random_size(limits.random.0).allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    wasi.stderr(LogPipe(journal.clone()));
    match result {
        Some(result) => {
            wasi.stdout(result.clone()).stdin(PayloadPipe::new(request.input.clone()));
            wasi.arg(&request.job.task).args(&request.args);
        }
        None => {
            wasi.stdout(LogPipe(journal.clone()));
        }
    }
    let clock: WallClock = match control.simulation {
        Some(simulation) => {
            simulation.put(&mut wasi);
            Box::new(simulation)
        }
        None => clocks::prepare(&request.job, request.grants.deterministic, &mut wasi),
    };
    let purse = room.budget().purse(&request.job.tenant);
    let scratch = scratch(&purse, request, clock, &mut wasi);
    if !request.env.is_empty() {
        wasi.envs(&request.env);
    }
    let mut table = ResourceTable::new();
    table.set_max_capacity(usize::try_from(limits.resources).unwrap_or(usize::MAX));
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(limits.http_fields.as_usize());
    let memory = MemoryLimiter::new(
        purse.clone(),
        limits.memory.as_usize().min(room.memory_bytes_max()),
        usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
        usize::try_from(limits.instances).unwrap_or(usize::MAX),
    );
    Cell {
        table,
        wasi: wasi.build(),
        http,
        egress: Egress::new(journal.clone(), control.services.clone(), !request.grants.http.is_empty()),
        memory,
        journal: journal.clone(),
        deadline,
        soft_deadline: limits
            .soft_timeout
            .filter(|soft| *soft < limits.timeout)
            .map(|soft| started + soft.min(TIMEOUT_MAX)),
        cancel: control.cancel.clone(),
        services: control.services.clone(),
        asked: Asked::default(),
        capable: Capable::prepare(request, control, journal, HostMemory::new(purse, limits.memory.as_usize())),
        scratch,
    }
}

/// The scratch folder that is granted. Programs look for a folder of this kind by the variable.
fn scratch(
    purse: &Arc<Purse>,
    request: &AttemptRequest,
    clock: WallClock,
    wasi: &mut WasiCtxBuilder,
) -> Option<Folder> {
    let quota = request.grants.scratch?;
    if !request.env.iter().any(|(name, _)| name == TEMPORARY_FOLDER) {
        wasi.env(TEMPORARY_FOLDER, SCRATCH_PATH);
    }
    Some(Folder::new(quota, purse.clone(), clock))
}

/// Puts every limit on a store, before anything of the guest runs: fuel and epochs cover its start functions too.
fn limit(store: &mut Store<Cell>, limits: &Limits) {
    store.limiter_async(|cell| &mut cell.memory);
    // Both fail only where the engine was configured without fuel; the configuration is ours.
    let fuelled = store.set_fuel(limits.fuel).and_then(|()| store.fuel_async_yield_interval(Some(FUEL_WRITE_BACK)));
    debug_assert!(fuelled.is_ok());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_epoch);
    let copied = limits.hostcall.0.max(limits.output.0.saturating_add(HOSTCALL_MARGIN));
    store.set_hostcall_fuel(usize::try_from(copied).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.resources).unwrap_or(usize::MAX));
}

/// Looks at a guest that has run since the last tick.
fn at_epoch(context: StoreContextMut<'_, Cell>) -> wasmtime::Result<UpdateDeadline> {
    let cell = context.data();
    if cell.cancel.as_ref().is_some_and(|signal| signal.is_stopped()) {
        return Err(Stop::Cancelled.into());
    }
    if Instant::now() >= cell.deadline {
        return Err(Stop::Deadline.into());
    }
    // whoever else waits for this core goes first: the kernel would let a busy guest finish its slice
    std::thread::yield_now();
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
