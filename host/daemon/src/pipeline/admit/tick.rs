//! Runs of schedules: each tick runs once, and what was missed or overlaps follows the schedule's policy.

use super::super::decode::Decoded;
use super::super::{Shared, Step};
use crate::ports::Broker;

/// Lets a job pass that is no run of a schedule, or one that should be run now.
pub(super) async fn check<B: Broker, T>(_shared: &Shared<B, T>, decoded: Decoded) -> Step<Decoded> {
    Step::Next(decoded)
}
