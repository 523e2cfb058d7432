//! A task that asks for more random bytes than anyone needs.

use lovage_task::task;

/// Asks for this many random bytes in one call and gives back how many came.
#[task]
fn random(bytes: u64) -> u64 {
    wasip2::random::random::get_random_bytes(bytes).len() as u64
}
