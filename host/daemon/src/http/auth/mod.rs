//! Who calls, and what they may do: tokens, sessions, and the rules for requests that browsers send.

mod book;
mod caller;
mod guard;
mod identify;
mod login;
mod token;

pub use book::Book;
pub use caller::{Caller, Scope};
pub use guard::{Door, Names};
pub use identify::{identify, require};
pub use login::router;
pub use lovage_job::token::Role;
pub use token::{NewToken, TokenText};

use crate::nats::tokens::Tokens;
use std::sync::Arc;

/// What the server knows of callers.
pub struct Auth {
    /// The tokens and sessions that are valid.
    pub book: Arc<Book>,
    /// The buckets, for sessions that begin and end.
    pub tokens: Tokens,
    /// How the server is reached.
    pub door: Door,
}
