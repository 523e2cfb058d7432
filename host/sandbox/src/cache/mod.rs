//! Compiled components on disk: written by our own compiler only, found again by digest, and never trusted unread.

pub(crate) mod artifact;
pub(crate) mod error;
pub(crate) mod key;
pub(crate) mod seal;
pub(crate) mod store;
