//! A task that is ready to run.

use crate::attempt::request::{AttemptControl, AttemptReport, AttemptRequest};
use crate::attempt::run;
use crate::load::Loaded;
use crate::sandbox::Room;
use crate::shape::Callee;
use std::fmt;
use std::sync::Arc;

/// One entry of a loaded component. Clones are the same task; it keeps its sandbox alive.
#[derive(Clone)]
pub struct Task(Arc<Ready>);

struct Ready {
    callee: Callee,
    /// Kept so that other entries of the component find it loaded.
    _loaded: Arc<Loaded>,
    room: Arc<Room>,
}

impl Task {
    pub(crate) fn new(room: Arc<Room>, loaded: Arc<Loaded>, callee: Callee) -> Self {
        Self(Arc::new(Ready { callee, _loaded: loaded, room }))
    }

    /// Makes one attempt in a fresh instance. Never fails: every way to end is an outcome.
    ///
    /// The future yields at every epoch while the guest is busy, so it may share a thread with others; dropping it
    /// drops the guest.
    pub async fn run(&self, request: AttemptRequest, control: AttemptControl) -> AttemptReport {
        run::run(&self.0.room, &self.0.callee, request, control).await
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.0.callee.shape()).finish()
    }
}
