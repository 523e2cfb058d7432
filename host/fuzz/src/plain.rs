//! The plain types, without what an engine makes of them.

#![allow(dead_code, reason = "the sandbox uses the rest")]

#[path = "../../sandbox/src/plain/from_binary.rs"]
pub(crate) mod from_binary;
#[path = "../../sandbox/src/plain/schema.rs"]
pub(crate) mod schema;
#[path = "../../sandbox/src/plain/signature.rs"]
pub(crate) mod signature;
#[path = "../../sandbox/src/plain/types.rs"]
pub(crate) mod types;
