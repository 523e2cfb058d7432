//! The schedules that a task's manifest carries: put together, as the manifest says.

use crate::client::Client;
use crate::new_schedule::{NewSchedule, Put, ScheduleFault};
use lovage_job::name::{ScheduleName, TaskName};
use lovage_job::schedule::ScheduleRecord;

/// What became of the schedules of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Those that the manifest carries.
    pub put: Vec<(ScheduleName, Put)>,
    /// Those that an earlier manifest carried and this one does not.
    pub removed: Vec<ScheduleName>,
}

impl Client {
    /// Checks the schedules of a manifest to the end, all of them, and writes nothing.
    pub async fn check_manifest(
        &self,
        task: &TaskName,
        schedules: Vec<NewSchedule>,
    ) -> Result<Vec<ScheduleRecord>, Vec<ScheduleFault>> {
        let there = self.schedules().await.map_err(|fault| vec![fault])?;
        let (mut wanted, mut faults) = (Vec::new(), Vec::new());
        for mut schedule in schedules {
            schedule.owner = Some(task.clone());
            let foreign = there.iter().find(|other| other.name == schedule.name && other.owner.as_ref() != Some(task));
            if let Some(other) = foreign {
                let owner = other.owner.as_ref().map_or("no manifest".to_owned(), |owner| format!("task {owner}"));
                faults.push(ScheduleFault::Foreign { name: other.name.clone(), owner, task: task.clone() });
            }
            match self.check_schedule(schedule).await {
                Ok(record) => wanted.push(record),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(wanted) } else { Err(faults) }
    }

    /// Puts the schedules of a task's manifest, and removes those that an earlier manifest of it carried and this one
    /// does not. Safe to repeat: what is there already is left as it is.
    pub async fn apply_manifest(&self, task: &TaskName, wanted: Vec<ScheduleRecord>) -> Result<Applied, ScheduleFault> {
        let names: Vec<ScheduleName> = wanted.iter().map(|record| record.name.clone()).collect();
        let mut applied = Applied::default();
        for record in wanted {
            let (record, put) = self.store_schedule(record).await?;
            applied.put.push((record.name, put));
        }
        for record in self.schedules().await? {
            if record.owner.as_ref() == Some(task) && !names.contains(&record.name) {
                match self.remove_schedule(&record.name).await {
                    Ok(_) => applied.removed.push(record.name),
                    // someone else was faster
                    Err(ScheduleFault::Unknown { .. }) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(applied)
    }
}
