//! The HTTP API over real sockets: `lovage serve` beside a real nats-server.

mod again;
mod ground;
mod hostile;
mod listening;
mod past;
mod routes;
mod secured;
mod sites;
mod streams;
mod whole;

pub use ground::Served;
