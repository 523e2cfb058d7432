//! The HTTP API over real sockets: `lovage serve` beside a real nats-server.

mod ground;
mod listening;
mod sites;

pub use ground::Served;
