//! Waiting for child processes with a deadline, by short polls and without threads.

use std::{
    io::{self, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long each poll pauses; short against anything a person or a test would notice.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// Runs a command that prints little and returns its output; after `within` it is killed and that is an error.
///
/// The output is read after the end, so a program that prints more than a pipe holds is cut short by the deadline.
pub(super) fn output(command: &mut Command, within: Duration) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let Some(status) = wait(&mut child, within)? else {
        kill(&mut child)?;
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", within.as_secs())));
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_end(&mut stderr)?;
    }
    Ok(Output { status, stdout, stderr })
}

/// Waits for the child's end; `None` when it still runs after `within`.
pub(super) fn wait(child: &mut Child, within: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Kills the child and reaps it.
pub(super) fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}
