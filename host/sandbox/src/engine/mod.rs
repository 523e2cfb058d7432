//! The engine: its configuration, its clock and how it wipes what a guest leaves behind.

pub(crate) mod config;
pub(crate) mod reset;
pub(crate) mod ticker;
