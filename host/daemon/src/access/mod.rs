//! How tenants' users sign in at the broker: their passwords and the server configuration that lists them, or the keys
//! and signed claims of an account for each.

pub mod claims;
pub mod file;
pub mod jwt;
pub mod operator;
pub mod probe;
pub mod push;
pub mod reload;
pub mod secret;
pub mod users;
