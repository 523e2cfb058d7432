//! One run of one task: what it is given, what it may use while it runs, and how its end is read.

pub(crate) mod asked;
pub(crate) mod budget;
pub(crate) mod cancel;
pub(crate) mod cell;
pub(crate) mod ending;
pub(crate) mod event;
pub(crate) mod follow;
pub(crate) mod given;
pub(crate) mod host_memory;
pub(crate) mod journal;
pub(crate) mod memory;
pub(crate) mod panic_text;
pub(crate) mod pipe;
pub(crate) mod recorded;
pub(crate) mod request;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod simulation;
