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
mod services;
mod support;
