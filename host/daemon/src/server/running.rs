//! A nats-server process of ours: started, stopped, killed, started again on the same port and streams.
//!
//! nats-server itself lets two processes share one store folder and spoil it, so each server holds a lock on its
//! folder. The lock file is the server's standard input: the lock lives as long as the server, even where the
//! program that started it was killed.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use super::{
    bounded,
    config::{ProcessGroup, StartOptions},
    error::{ServerError, file},
    find::NatsServer,
    log::Log,
    ready::{self, Ports},
};

/// How long a stop may take before the process is killed; streams are flushed meanwhile.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How long the drop of a server that nobody stopped may hold up the caller.
const DROP_WITHIN: Duration = Duration::from_secs(2);
/// How long a restart waits for its port, which a passing connection may have borrowed.
const PORT_WITHIN: Duration = Duration::from_secs(10);

/// A nats-server of ours, ended when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    ports: Ports,
    log: Log,
    binary: NatsServer,
    options: StartOptions,
    lock: File,
}

/// Starts a server and returns once it answers.
///
/// # Errors
/// A store folder in use, a port that is taken, a process that ended or did not answer in time, with what it said.
pub fn start(binary: &NatsServer, mut options: StartOptions) -> Result<Running, ServerError> {
    fs::create_dir_all(&options.store_dir).map_err(file("create", &options.store_dir))?;
    options.store_dir = options.store_dir.canonicalize().map_err(file("open", &options.store_dir))?;
    let lock = lock(&options)?;
    let launched = launch(binary, &options, &lock);
    if launched.is_err() {
        release(&lock);
    }
    let (child, ports, log) = launched?;
    options.port = Some(ports.nats);
    Ok(Running { child, ports, log, binary: binary.clone(), options, lock })
}

impl Running {
    /// Returns the URL for clients, `nats://127.0.0.1:PORT`; it stays over restarts.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.nats)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.nats
    }

    /// Returns the base URL of the monitoring endpoints, where they were asked for; it changes with a restart.
    #[must_use]
    pub fn monitoring_url(&self) -> Option<String> {
        self.ports.monitoring.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Returns the process id; it changes with a restart.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn store_dir(&self) -> &Path {
        &self.options.store_dir
    }

    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.options.log_file()
    }

    /// Returns the last lines the server logged since it was started.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// Returns how the server ended, or `None` while it runs.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        self.child.try_wait().map_err(self.signal())
    }

    /// Stops the server with SIGTERM and waits for its end; after 20 s it is killed. Once ended, does nothing.
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.stop_within(STOP_WITHIN)
    }

    /// Has the server read its configuration again, with SIGHUP. Once ended, does nothing.
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub fn reload(&mut self) -> Result<(), ServerError> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let signalled = rustix::process::kill_process(Pid::from_child(&self.child), Signal::HUP);
        signalled.map_err(io::Error::from).map_err(self.signal())
    }

    /// Kills the server with SIGKILL, as a crash would, and waits for its end. Once ended, does nothing.
    ///
    /// # Errors
    /// The process cannot be signalled.
    pub fn kill9(&mut self) -> Result<(), ServerError> {
        if self.ended()?.is_none() {
            bounded::kill(&mut self.child).map_err(self.signal())?;
        }
        Ok(())
    }

    /// Starts the server again on the same port and streams, stopping it first where it still runs.
    ///
    /// # Errors
    /// As for `start`; the port may have been taken meanwhile.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        let deadline = Instant::now() + PORT_WITHIN;
        loop {
            match launch(&self.binary, &self.options, &self.lock) {
                Ok(launched) => {
                    (self.child, self.ports, self.log) = launched;
                    return Ok(());
                }
                Err(ServerError::PortTaken { .. }) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn stop_within(&mut self, within: Duration) -> Result<(), ServerError> {
        // A child that was not reaped keeps its process id, so the signal cannot reach another process.
        if self.ended()?.is_some() {
            return Ok(());
        }
        let signalled = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        signalled.map_err(io::Error::from).map_err(self.signal())?;
        if bounded::wait(&mut self.child, within).map_err(self.signal())?.is_none() {
            bounded::kill(&mut self.child).map_err(self.signal())?;
        }
        Ok(())
    }

    fn signal(&self) -> impl FnOnce(io::Error) -> ServerError + use<> {
        let pid = self.child.id();
        move |cause| ServerError::Signal { pid, cause }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop_within(DROP_WITHIN) {
            tracing::warn!(pid = self.child.id(), %error, "nats-server could not be stopped");
            return;
        }
        release(&self.lock);
    }
}

/// Starts the process and waits until it is ready; a process that does not become ready is not left behind.
fn launch(binary: &NatsServer, options: &StartOptions, lock: &File) -> Result<(Child, Ports, Log), ServerError> {
    ready::forget(&options.store_dir);
    let config = options.config_file();
    fs::write(&config, options.render()?).map_err(file("write", &config))?;
    let log = Log::open(options)?;
    let mut command = Command::new(&binary.path);
    command.arg("--config").arg(&config);
    command.stdin(lock.try_clone().map_err(file("share", &options.lock_file()))?);
    command.stdout(log.sink()?).stderr(log.sink()?);
    match options.process_group {
        ProcessGroup::Inherited => {}
        ProcessGroup::Own => {
            command.process_group(0);
        }
    }
    let mut child = command.spawn().map_err(|cause| ServerError::NotExecutable { path: binary.path.clone(), cause })?;
    match ready::wait(&mut child, options, &log) {
        Ok(ports) => Ok((child, ports, log)),
        Err(error) => {
            // The first error is the one to tell; a child that is gone already cannot be killed.
            let _ = bounded::kill(&mut child);
            Err(error)
        }
    }
}

/// Locks the store folder for one server at a time.
fn lock(options: &StartOptions) -> Result<File, ServerError> {
    let path = options.lock_file();
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(file("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(cause)) => Err(file("lock", &path)(cause)),
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(options.pid_file()).ok().and_then(|pid| pid.trim().parse().ok());
            Err(ServerError::StoreInUse { dir: options.store_dir.clone(), pid })
        }
    }
}

/// Lets go of the store folder once no server of ours runs on it.
///
/// Closing would do, were it not for a child of another thread that has been forked and not yet executed: it holds
/// a copy of the handle for a moment.
fn release(lock: &File) {
    if let Err(error) = lock.unlock() {
        tracing::warn!(%error, "the lock of a store folder could not be released");
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
