//! The history of jobs in SQL: every job that ended, in SQLite, PostgreSQL or MySQL/MariaDB.
//!
//! This crate turns ends of jobs into rows and answers the questions of the console and the API. It knows nothing of the
//! broker: whoever reads results and dead letters there hands them over as [`Entry`]s, in batches that also say how far
//! the reading has come. Rows and that place are written in one transaction, so a crash repeats nothing and loses nothing;
//! and a batch that is written twice, or by two writers, changes nothing the second time.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")
)]

mod agree;
mod columns;
mod count;
mod cursors;
mod decode;
mod entry;
mod error;
mod filter;
mod histogram;
mod keep;
mod list;
mod merge;
mod page;
mod plan;
mod rollup;
mod row;
#[cfg(test)]
mod samples;
mod schema;
mod series;
mod sql;
mod status;
mod store;
mod sums;
mod url;
mod write;

pub use agree::Difference;
pub use count::Count;
pub use entry::{Advance, Batch, Buried, Ended, Entry, StreamCursor};
pub use error::HistoryError;
pub use filter::{JobFilter, Scope, SeriesFilter};
pub use histogram::{BOUNDS_US, Histogram};
pub use page::{Cursor, CursorError, Page, PageRequest};
pub use row::{Attempt, JobDetail, JobRow};
pub use series::{Bucket, Dimension, Share};
pub use sql::Engine;
pub use status::StoreStatus;
pub use store::{Store, StoreOptions};
pub use url::{DatabaseUrl, UrlError};
