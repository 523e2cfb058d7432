//! The writer of the history: from the streams of results and dead letters into SQL.
//!
//! Nothing is written on the hot path for it: a result with its trail, and a dead letter, are durable before a job's
//! message is acknowledged. The writer asks the broker about each second which of these streams have come further than
//! the database has read them: one listing of streams (256 a request), whatever the number of tenants, so that a thousand
//! idle ones cost neither consumers nor subscriptions. Streams that have come further are read by consumers that the
//! broker forgets by itself, with headers alone: outputs and payloads are not part of the history and are not sent.
//! How far a stream was read is in the database, in the transaction of the rows. So after a crash, on an empty database or
//! with a second writer beside it, a writer goes on where the database is, and a stream that was made anew is read from
//! its beginning.
//!
//! Knows the broker and the history; neither the pipeline nor the HTTP server.

mod check;
mod keep;
mod lag;
mod reader;
mod streams;
mod writer;

pub use check::{Checked, check};
pub use lag::Lag;
pub use writer::{Fault, Writer, WriterOptions};
