//! Which columns rows and attempts have, in the order in which they are written and read.

/// The columns of a row in a listing, in the order in which `decode` takes them.
pub(crate) const LISTED: [&str; 23] = [
    "tenant",
    "id",
    "task",
    "queue",
    "lane",
    "outcome",
    "error_message",
    "digest",
    "version",
    "attempts",
    "published",
    "started",
    "finished",
    "wall_us",
    "fuel_used",
    "memory_peak_bytes",
    "egress_bytes",
    "worker",
    "tags",
    "trace_id",
    "dead",
    "class",
    "trail",
];
/// The columns that a listing leaves out.
pub(crate) const FURTHER: [&str; 3] = ["error_more", "result_at", "letter_at"];
/// The columns of an attempt.
pub(crate) const ATTEMPT: [&str; 10] = [
    "attempt",
    "outcome",
    "started",
    "digest",
    "worker",
    "wall_us",
    "fuel_used",
    "memory_peak_bytes",
    "egress_bytes",
    "error_message",
];
