//! What a guest can be granted beyond its sandbox, a room each. Without the grant nothing of a room is set up.

pub(crate) mod clocks;
pub(crate) mod scratch;
