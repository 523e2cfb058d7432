//! The cgroups of a worker's children, the compiler and the runners: whether there are some, and whether there must be.

use crate::config::{ControlGroups, Isolation, WorkerFile};
use lovage_sandbox::{Controller, Groups};
use std::sync::Arc;

/// The groups, as the operator wants them; told once, whether there are some or not.
pub(super) fn find(file: &WorkerFile) -> anyhow::Result<Option<Arc<Groups>>> {
    if file.cgroup == ControlGroups::Off {
        return Ok(None);
    }
    let found = Groups::find();
    let has = |controller| found.as_ref().is_ok_and(|groups| groups.has(controller));
    let required = (file.cgroup == ControlGroups::Require).then_some([Controller::Memory, Controller::Pids]);
    let limited = file.runner.cores.filter(|_| file.isolation == Isolation::Process).map(|_| Controller::Cpu);
    let mut needed = required.into_iter().flatten().chain(limited);
    if let Some(missing) = needed.find(|controller| !has(*controller)) {
        let why = found.err().map_or_else(|| "it is not given to this process".to_owned(), |error| error.to_string());
        anyhow::bail!("children cannot be limited by the {missing} controller of cgroups: {why}");
    }
    match found {
        Ok(groups) => {
            let held: Vec<&str> =
                Controller::ALL.into_iter().filter(|one| groups.has(*one)).map(Controller::as_str).collect();
            tracing::info!(controllers = %held.join(", "), "children are held to their limits by cgroups");
            Ok(Some(groups))
        }
        Err(error) if file.isolation == Isolation::Process => {
            tracing::warn!(%error, "no cgroups: the memory of a runner is looked at four times a second");
            Ok(None)
        }
        Err(error) => {
            tracing::info!(%error, "no cgroup for the compiler, whose address space is limited");
            Ok(None)
        }
    }
}
