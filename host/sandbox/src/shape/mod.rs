//! The four ways to call a component. Each turns a job into a call and the answer into an outcome.

pub(crate) mod callee;
pub(crate) mod command;
pub(crate) mod egress;
pub(crate) mod function;
pub(crate) mod handler;
pub(crate) mod http;
pub(crate) mod response;
pub(crate) mod text;

pub(crate) use callee::{Call, Callee};
