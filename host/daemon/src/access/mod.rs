//! How tenants' users sign in at the broker: their passwords and the server configuration that lists them, or the keys
//! and signed claims of an account for each.

pub mod file;
pub mod probe;
pub mod reload;
pub mod secret;
pub mod users;
