//! Tells when a nats-server that was started answers its clients, and where.
//!
//! The server writes the ports it took to a file named after its process; after that it greets each connection
//! with an `INFO` line. Only both together mean ready.

use std::{
    fs,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use super::{
    bounded,
    config::StartOptions,
    error::{ServerError, file},
    log::Log,
};

/// How long one attempt at the greeting may take.
const GREETING_WITHIN: Duration = Duration::from_secs(1);

/// The ports a running server listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) nats: u16,
    pub(super) monitoring: Option<u16>,
}

/// Waits until the server greets, and returns its ports.
pub(super) fn wait(child: &mut Child, options: &StartOptions, log: &Log) -> Result<Ports, ServerError> {
    let deadline = Instant::now() + options.ready_within;
    loop {
        // The end of the child is looked at first: a greeting could come from whoever holds the port instead.
        if let Some(status) =
            bounded::wait(child, Duration::ZERO).map_err(file("watch the server of", &options.store_dir))?
        {
            return Err(match (options.port, log.tail()) {
                (Some(port), log) if log.contains("address already in use") => ServerError::PortTaken { port },
                (_, log) => ServerError::Ended { status, log },
            });
        }
        if let Some(ports) = told(&options.store_dir, child.id()).filter(|ports| greets(ports.nats)) {
            return Ok(ports);
        }
        if Instant::now() >= deadline {
            return Err(ServerError::NotReady { seconds: options.ready_within.as_secs(), log: log.tail() });
        }
        std::thread::sleep(bounded::POLL);
    }
}

/// Removes what earlier servers left, so that only a live one's ports can be read.
pub(super) fn forget(dir: &Path) {
    for path in ports_files(dir) {
        // One that stays belongs to a process id that is gone and is never read.
        let _ = fs::remove_file(path);
    }
}

/// Reads the ports file of process `pid`; `None` until it is there and whole.
fn told(dir: &Path, pid: u32) -> Option<Ports> {
    let suffix = format!("_{pid}.ports");
    let path = ports_files(dir).into_iter().find(|path| path.to_string_lossy().ends_with(&suffix))?;
    parse(&fs::read(path).ok()?)
}

fn ports_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "ports")).collect()
}

fn parse(bytes: &[u8]) -> Option<Ports> {
    let told: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let port = |kind: &str| told.get(kind)?.get(0)?.as_str()?.rsplit(':').next()?.parse().ok();
    Some(Ports { nats: port("nats")?, monitoring: port("monitoring") })
}

fn greets(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, GREETING_WITHIN) else { return false };
    let mut greeting = [0; 5];
    stream.set_read_timeout(Some(GREETING_WITHIN)).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"INFO "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_once_the_file_is_whole() {
        let whole = br#"{"nats":["nats://127.0.0.1:45457"],"monitoring":["http://127.0.0.1:8222"]}"#;
        assert_eq!(parse(whole), Some(Ports { nats: 45457, monitoring: Some(8222) }));
        assert_eq!(parse(br#"{"nats":["nats://127.0.0.1:1"]}"#), Some(Ports { nats: 1, monitoring: None }));
        for broken in [&b""[..], br#"{"nats":["#, br#"{"nats":[]}"#, br#"{"nats":["nats://127.0.0.1:70000"]}"#] {
            assert_eq!(parse(broken), None);
        }
    }
}
