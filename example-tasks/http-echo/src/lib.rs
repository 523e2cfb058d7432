//! A `wasi:http` handler that answers as its request asks: the body comes back, with the status the path names.
//!
//! | path | answer |
//! |---|---|
//! | `/status/429?retry-after=7` | that status, with that `Retry-After` in seconds |
//! | `/inspect` | the request as JSON |
//! | `/silent` | none at all |
//! | `/trap` | a panic |
//! | any other | 200 |
//!
//! The headers `X-Echo-Status` and `X-Echo-Retry-After` do what the path does, for callers that cannot choose it.
//! The decision is in [`mod@answer`] and knows no WASI; the bindings are in `handler`, in the guest only.

#![cfg_attr(not(target_os = "wasi"), allow(dead_code, reason = "only the guest answers requests"))]

mod answer;
#[cfg(target_os = "wasi")]
mod handler;
