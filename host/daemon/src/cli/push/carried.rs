//! The schedules that a manifest carries, on their way with a push: checked before anything is stored, put after the
//! version is there.

use super::super::exit::{Exit, Failure};
use super::super::input::is_json;
use super::super::output::Output;
use super::{PushArgs, PushOptions};
use crate::clock::now;
use crate::registry::push::{Checked, PushError, choose};
use lovage_client::{Client, NewJob, NewSchedule, Put};
use lovage_job::manifest::{self, Manifest, ManifestSchedule};
use lovage_job::name::TaskName;
use lovage_job::schedule::ScheduleRecord;
use lovage_job::schema::InputCheck;
use std::path::Path;

/// The largest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Reads a manifest; or tells all that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Manifest, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| fail(&error))?.len();
    if size > MANIFEST_BYTES_MAX {
        return Err(fail(&format!("a manifest of {size} bytes is larger than {MANIFEST_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
    manifest::read(&text, now()).map_err(|faults| fail(&faults.join("\n  ")))
}

/// The schedules of the task that is pushed.
pub(super) struct Carried {
    /// The task.
    pub(super) task: TaskName,
    schedules: Vec<ManifestSchedule>,
}

/// Why schedules cannot go with a component.
pub(super) enum CarriedFault {
    Push(PushError),
    Schedules(Vec<String>),
}

impl CarriedFault {
    /// What the command says.
    pub(super) fn told(self, args: &PushArgs) -> Failure {
        match self {
            Self::Push(error) => super::failure(args, &error),
            Self::Schedules(faults) => {
                let file = args.manifest.as_deref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
                Failure::new(Exit::Usage, format!("{file}{}", faults.join("\n  ")))
            }
        }
    }
}

/// Checks the inputs against the component itself. A schedule that names a version runs that one, which workers check.
pub(super) fn check(manifest: &Manifest, checked: &Checked, options: &PushOptions) -> Result<Carried, CarriedFault> {
    let chosen = choose(&checked.exports, options).map_err(CarriedFault::Push)?;
    let [export] = chosen.as_slice() else {
        let told = format!("the component has {} tasks, and a manifest is of one: choose it with export", chosen.len());
        return Err(CarriedFault::Schedules(vec![told]));
    };
    let takes = InputCheck::new(&export.input);
    let takes = takes.map_err(|error| CarriedFault::Schedules(vec![error.to_string()]))?;
    let (mut schedules, mut faults) = (manifest.schedules.clone(), Vec::new());
    for schedule in &mut schedules {
        // nothing given is null where the task takes JSON
        if schedule.input.is_empty() && takes.check(b"").is_err() && takes.check(b"null").is_ok() {
            schedule.input = b"null".to_vec();
        }
        match takes.check(&schedule.input) {
            Err(error) if schedule.version.is_none() => {
                let name = &schedule.name;
                faults.push(format!("schedule {name}: the input is not what task {} takes: {error}", export.name));
            }
            Ok(()) | Err(_) => {}
        }
    }
    if faults.is_empty() {
        Ok(Carried { task: export.name.clone(), schedules })
    } else {
        Err(CarriedFault::Schedules(faults))
    }
}

/// The schedule of a task. Its input was checked against the component that is pushed.
fn of(schedule: &ManifestSchedule, task: &TaskName) -> NewSchedule {
    let ManifestSchedule { name, timing, input, queue, lane, missed, deadline, overlap, .. } = schedule;
    let mut job = NewJob::new(task.clone(), input.clone()).queue(queue.clone()).lane(*lane).unchecked();
    job.content_type = is_json(input).then(|| "application/json".to_owned());
    (job.retries, job.backoff, job.timeout) = (schedule.retries, schedule.backoff.clone(), schedule.timeout);
    (job.version, job.tags) = (schedule.version.clone(), schedule.tags.clone());
    let new = NewSchedule::new(name.clone(), timing.clone(), job).missed(*missed).overlap(*overlap);
    NewSchedule { deadline: *deadline, ..new }
}

impl Carried {
    /// The records, where nothing on the broker is in their way.
    pub(super) async fn accepted_by(&self, client: &Client) -> Result<Vec<ScheduleRecord>, Failure> {
        let wanted = self.schedules.iter().map(|schedule| of(schedule, &self.task)).collect();
        client.check_manifest(&self.task, wanted).await.map_err(|faults| match faults.as_slice() {
            [one] => super::super::schedule::failure(one),
            many => {
                let told: Vec<String> = many.iter().map(ToString::to_string).collect();
                Failure::new(Exit::Usage, told.join("\n  "))
            }
        })
    }
}

/// Puts the schedules, and says what became of each.
pub(super) async fn apply(
    client: &Client,
    task: &TaskName,
    schedules: Vec<ScheduleRecord>,
    output: Output,
) -> Result<(), Failure> {
    let over: Vec<_> = schedules.iter().filter(|record| !has_ticks(record)).map(|record| record.name.clone()).collect();
    let applied = client.apply_manifest(task, schedules).await;
    let applied = applied.map_err(|fault| {
        let failure = super::super::schedule::failure(&fault);
        failure.hint("the version is pushed; push again to put its schedules, which repeats nothing")
    })?;
    for (name, put) in &applied.put {
        match put {
            Put::Added => output.note(&format!("schedule {name} added")),
            Put::Changed => output.note(&format!("schedule {name} changed")),
            Put::Same => {}
        }
    }
    applied
        .removed
        .iter()
        .for_each(|name| output.note(&format!("schedule {name} removed: the manifest has it no more")));
    over.iter().for_each(|name| output.note(&format!("schedule {name} has no tick to come")));
    Ok(())
}

fn has_ticks(record: &ScheduleRecord) -> bool {
    record.check().is_ok_and(|timing| timing.after(record.since).is_some())
}
