//! Which imports a component may have: those that the sandbox's linker knows, by version track.

use crate::inspect::error::InspectError;
use crate::inspect::name::InterfaceName;

/// What the linker has of WASI 0.2; a test holds this list against the linker itself.
pub(crate) const WASI_INTERFACES: [&str; 30] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
    "wasi:clocks/timezone",
];
const WASI_TRACK: &str = "0.2";
const TASK_INTERFACES: [&str; 5] = [
    "lovage:task/checkpoint",
    "lovage:task/job-context",
    "lovage:task/jobs",
    "lovage:task/secrets",
    "lovage:task/types",
];
/// What the linker has of interfaces that are drafts: those of another draft are other interfaces.
pub(crate) const DRAFTS: [(&str, &str); 7] = [
    ("wasi:blobstore/blobstore", "0.2.0-draft"),
    ("wasi:blobstore/container", "0.2.0-draft"),
    ("wasi:blobstore/types", "0.2.0-draft"),
    ("wasi:config/store", "0.2.0-rc.1"),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
];
const TASK_TRACK: &str = "0.1";

/// Refuses an import that no task gets.
pub(crate) fn check(name: &str) -> Result<(), InspectError> {
    let unknown = |hint: String| Err(InspectError::UnknownImport { name: name.to_owned(), hint });
    let Some(interface) = InterfaceName::parse(name) else {
        return unknown("a task imports whole interfaces only; compose the component with what it needs".to_owned());
    };
    if is_wasi03(&interface) {
        return Err(InspectError::Wasi03 { name: name.to_owned() });
    }
    let known = |track| interface.track() == Some(track);
    if WASI_INTERFACES.contains(&interface.path) && known(WASI_TRACK) {
        return Ok(());
    }
    if DRAFTS.iter().any(|(path, version)| *path == interface.path && interface.version == Some(*version)) {
        return Ok(());
    }
    if TASK_INTERFACES.contains(&interface.path) && known(TASK_TRACK) {
        return Ok(());
    }
    unknown(hint(&interface))
}

/// True for WASI of the next generation, its release candidates included.
pub(crate) fn is_wasi03(interface: &InterfaceName<'_>) -> bool {
    interface.path.starts_with("wasi:") && interface.version.is_some_and(|version| version.starts_with("0.3"))
}

fn hint(interface: &InterfaceName<'_>) -> String {
    if TASK_INTERFACES.contains(&interface.path) {
        return format!("this worker speaks lovage:task@{TASK_TRACK}; build the task with a matching SDK");
    }
    if WASI_INTERFACES.contains(&interface.path) {
        return "this worker has WASI 0.2; build for wasm32-wasip2".to_owned();
    }
    if let Some((_, version)) = DRAFTS.iter().find(|(path, _)| *path == interface.path) {
        return format!("this worker has {}@{version}; build the task with that version", interface.package());
    }
    match interface.package() {
        "wasi:keyvalue" | "wasi:blobstore" | "wasi:messaging" | "wasi:config" | "wasi:logging" | "wasi:nn"
        | "wasi:tls" => "tasks get no stores or services of the host; take what is needed in the payload".to_owned(),
        package if package.starts_with("wasi:") => "this worker does not have that part of WASI".to_owned(),
        package => format!("compose the component with one that exports {package}, or build it without"),
    }
}
