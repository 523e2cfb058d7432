//! Looks at a component before anything of it is stored or compiled. Pure over bytes: no engine, no files, no clock.

pub(crate) mod adapt;
pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod form;
pub(crate) mod import;
pub(crate) mod name;
pub(crate) mod structure;
