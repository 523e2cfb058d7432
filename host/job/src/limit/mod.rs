//! Limits and pauses: how many jobs run at once, how many start in a span, and what does not run at all for now.

mod book;
mod definition;
mod places;
mod rate;
mod scope;
mod state;
mod wait;

pub use book::{Applied, Book, Change, Entry, JobRules, Stopped};
pub use definition::{CONCURRENCY_MAX, Limit, LimitError, parse_concurrency};
pub use places::Places;
pub use rate::Rate;
pub use scope::{LimitScope, PauseScope, ScopeError, about_lot, is_key_lot};
pub use state::{HANDED_AT_ONCE, LEASE, LimitState, RESERVED_FOR, StateError};
pub use wait::safety_net;

/// The bucket that holds the state of each limit, under `<tenant>.<lot>`.
pub const STATES: &str = "limits";
