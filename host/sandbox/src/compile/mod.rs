//! Compiling a component: in a child process that can be killed, one at a time, never twice.

pub(crate) mod child;
pub(crate) mod compiler;
pub(crate) mod error;
pub(crate) mod failures;
pub(crate) mod here;
pub(crate) mod limits;
pub(crate) mod process;
