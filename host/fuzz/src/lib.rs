//! What is fuzzed: each target reads bytes as whoever is hostile could have written them, and holds what was read to its
//! own rules. A fault is a panic.
//!
//! Nothing here knows an engine or a broker, so that the targets build in a minute.

#![forbid(unsafe_code)]

mod grants;
mod headers;
mod names;
mod schedules;
mod schemas;
mod stored;
mod units;
mod wasm;

/// Rooms of the sandbox that need no engine, built here as they are.
#[path = "../../sandbox/src/inspect/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the sandbox uses the rest")]
mod inspect;
mod plain;

/// One thing to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its folder in the corpus.
    pub name: &'static str,
    /// Reads bytes and panics where a rule is broken.
    pub run: fn(&[u8]),
}

/// All that is fuzzed.
pub const TARGETS: [Target; 10] = [
    Target { name: "names", run: names::run },
    Target { name: "headers", run: headers::follow_ups },
    Target { name: "envelope", run: headers::envelope },
    Target { name: "stored", run: stored::run },
    Target { name: "manifest", run: schedules::manifest },
    Target { name: "cron", run: schedules::cron },
    Target { name: "schema", run: schemas::run },
    Target { name: "inspect", run: wasm::run },
    Target { name: "units", run: units::run },
    Target { name: "grants", run: grants::run },
];

/// The target of a name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// The text that bytes are; nothing where they are none.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Holds a message for people to its rules: short, and on one line at least as long as what it names is.
#[track_caller]
fn told(error: &impl std::fmt::Display) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() < 4_000, "a message of {} bytes: {message}", message.len());
}
