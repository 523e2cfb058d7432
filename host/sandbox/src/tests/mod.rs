//! Tests over whole components, written as text.

mod cancel;
mod codec;
mod command;
mod endings;
mod functions;
mod handler;
mod inspect;
mod limits;
mod load;
mod scratch;
mod services;
mod support;
