//! What of a running worker can be changed: how many attempts it runs at once, and which queues it serves.

use crate::counters::Counters;
use crate::pipeline::Room;
use crate::presence::Settable;
use crate::tenants::Tenants;
use lovage_job::name::QueueName;
use lovage_job::worker::{Setting, SettingError};
use std::sync::Arc;

struct Parts {
    room: Room,
    tenants: Arc<Tenants>,
    counters: Arc<Counters>,
}

/// The parts of a worker that can be changed.
pub(super) fn settable(room: Room, tenants: Arc<Tenants>, counters: Arc<Counters>) -> Box<dyn Settable> {
    Box::new(Parts { room, tenants, counters })
}

impl Settable for Parts {
    fn concurrency(&self) -> usize {
        self.room.now()
    }

    fn queues(&self) -> Vec<(QueueName, usize)> {
        self.tenants.queues()
    }

    fn set(&self, setting: &Setting) -> Result<(), SettingError> {
        setting.check(self.room.most(), self.tenants.strict)?;
        if let Some(wanted) = setting.concurrency {
            self.room.set(wanted);
        }
        if let Some(queues) = &setting.queues {
            queues.iter().for_each(|(queue, _)| self.counters.serve(queue));
            self.tenants.set_queues(queues.clone());
        }
        Ok(())
    }
}
