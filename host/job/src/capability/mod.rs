//! What a task may do beyond its own sandbox: nothing, unless its operator grants it within its tenant's ceiling.

mod grants;

pub use grants::{Ceiling, Grants};
