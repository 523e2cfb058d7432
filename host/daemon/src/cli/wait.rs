//! Waiting for a job, with a live line for people and an end by Ctrl-C that leaves the job alone.

use super::output::printable;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use futures::{Stream, StreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lovage_client::{Client, WaitError};
use lovage_job::event::{Event, Happening};
use lovage_job::name::JobId;
use lovage_job::result::JobResult;
use std::io::IsTerminal;
use std::time::Duration;

/// How often the live line moves.
const TICK: Duration = Duration::from_millis(120);

/// Waits for the end of a job. `events` are those of the job, subscribed to before it can end.
pub(super) async fn until_end(
    client: &Client,
    id: &JobId,
    timeout: Option<Duration>,
    events: Option<impl Stream<Item = Event> + Unpin>,
) -> Result<JobResult, Failure> {
    let mut stops = Stops::new()?;
    let line = LiveLine::new(events.is_some());
    let show = show_events(&line, events);
    let ended = tokio::select! {
        ended = client.wait(id, timeout) => ended,
        () = stops.next() => {
            line.clear();
            return Err(interrupted(id));
        }
        // never ends by itself
        () = show => return Err(interrupted(id)),
    };
    line.clear();
    ended.map_err(|error| match &error {
        WaitError::TimedOut { .. } => Failure::new(Exit::Timeout, error).hint(format!("lovage job wait {id}")),
        WaitError::Closed { .. } | WaitError::Read(_) => Failure::new(Exit::Broker, error),
    })
}

fn interrupted(id: &JobId) -> Failure {
    Failure::new(Exit::Interrupted, format!("interrupted; job {id} goes on"))
        .hint(format!("`lovage job wait {id}` waits again, `lovage job cancel {id}` stops it"))
}

/// Whether there is someone to show progress to.
pub(super) fn is_watched(output: Output) -> bool {
    !output.json && std::io::stderr().is_terminal()
}

async fn show_events(line: &LiveLine, events: Option<impl Stream<Item = Event> + Unpin>) {
    if let Some(mut events) = events {
        while let Some(event) = events.next().await {
            line.show(&event);
        }
    }
    std::future::pending::<()>().await;
}

/// One line on the terminal that tells how far a job is.
struct LiveLine(ProgressBar);

impl LiveLine {
    fn new(shown: bool) -> Self {
        if !shown {
            return Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        }
        let bar = ProgressBar::new_spinner().with_message("waiting for a worker");
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    fn show(&self, event: &Event) {
        let attempt = if event.attempt > 1 { format!("attempt {}: ", event.attempt) } else { String::new() };
        let text = match &event.what {
            Happening::Started { version } => format!("running version {version}"),
            Happening::Progress { fraction: Some(fraction), message } => {
                format!("{:.0}% {message}", fraction.clamp(0.0, 1.0) * 100.0)
            }
            Happening::Progress { fraction: None, message } => message.clone(),
            Happening::Log { line } => line.clone(),
            Happening::Retrying { outcome, message, due } => {
                format!("{outcome}: {message}; again at {}", super::task::when(*due))
            }
            Happening::Finished { outcome, .. } => outcome.to_string(),
        };
        self.0.set_message(printable(&format!("{attempt}{text}")));
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.clear();
    }
}
