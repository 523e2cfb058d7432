//! Limits and pauses: a job that may not run yet is put back into a lot and woken when it may.

use super::super::decode::Decoded;
use super::super::{Shared, Step};
use crate::ports::{Broker, Holds};

/// Lets a job pass with what it holds while it runs.
pub(super) async fn check<B: Broker, T>(_shared: &Shared<B, T>, decoded: Decoded) -> Step<(Decoded, Holds)> {
    Step::Next((decoded, Holds::default()))
}
