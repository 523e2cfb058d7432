//! `lovage watch`: what happens to jobs, as it happens.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::output::printable;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use clap::Args;
use futures::{Stream, StreamExt};
use lovage_job::event::{Event, Happening};
use lovage_job::name::{JobId, TaskName};
use lovage_job::outcome::OutcomeKind;
use std::io::IsTerminal;
use std::time::Duration;

/// Show what happens to jobs until Ctrl-C: starts, progress, logs, retries and ends.
///
/// Events come as they happen and are not stored: what happened before is told by `job list` and `job show`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only jobs that run this.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// Only this job.
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
}

pub(super) async fn main(args: WatchArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.client().await?;
    let mut stops = Stops::new()?;
    let mut events: Box<dyn Stream<Item = Event> + Unpin> = match &args.job {
        Some(id) => Box::new(client.events_of(id).await.or_exit(Exit::Broker)?),
        None => Box::new(client.events().await.or_exit(Exit::Broker)?),
    };
    // the subscription must stand before anyone relies on it
    client.nats().flush().await.or_exit(Exit::Broker)?;
    if std::io::stderr().is_terminal() {
        output.note(&format!("watching tenant {}; Ctrl-C ends", client.tenant()));
    }
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stops.next() => return Ok(Exit::Done),
        };
        let Some(event) = event else {
            return Err(Failure::new(Exit::Broker, "the connection was closed"));
        };
        if args.task.as_ref().is_some_and(|task| *task != event.task) {
            continue;
        }
        let line = if output.json { serde_json::to_string(&event).or_exit(Exit::Host)? } else { told(&event, colours) };
        if output.follow(format!("{line}\n").as_bytes())?.is_break() {
            return Ok(Exit::Done);
        }
    }
}

const PLAIN: &str = "";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

/// One line about an event, with nothing in it that would harm a terminal but our own colours.
fn told(event: &Event, colours: bool) -> String {
    let at = event.at.to_rfc3339();
    let clock = at.get(11..23).unwrap_or(&at);
    let (colour, text) = match &event.what {
        Happening::Started { version, attempts_max: _ } => (DIM, format!("version {version} on {}", event.worker)),
        Happening::Progress { fraction: Some(fraction), message } => {
            (CYAN, format!("{:.0}% {message}", fraction.clamp(0.0, 1.0) * 100.0))
        }
        Happening::Progress { fraction: None, message } => (CYAN, message.clone()),
        Happening::Log { line } => (PLAIN, line.clone()),
        Happening::Retrying { outcome, message, due, past: _ } => {
            let span = due.since(event.at);
            (YELLOW, format!("{outcome}: {message}; again in {}", super::ended::span(span)))
        }
        Happening::Waiting { lot, message, due: _ } => (YELLOW, format!("{message} ({lot})")),
        Happening::Released { message } => (YELLOW, message.clone()),
        Happening::Finished { outcome, message, wall_us, fuel_used, past: _ } => {
            let colour = if *outcome == OutcomeKind::Completed { GREEN } else { RED };
            let wall = Duration::from_micros(*wall_us);
            let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            (colour, format!("{outcome}{message} · time {wall:.1?} · fuel {fuel_used}"))
        }
    };
    let attempt = if event.attempt > 1 { format!("#{}", event.attempt) } else { String::new() };
    let what = event.what.token();
    let line = printable(&format!("{what:<8} {text}"));
    let line = if colours && !colour.is_empty() { format!("{colour}{line}\x1b[0m") } else { line };
    format!("{clock} {} {}{attempt} {line}", event.id, event.task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unit::UnixMs;

    fn event(what: Happening) -> Event {
        Event {
            id: "j".parse().unwrap(),
            task: "add".parse().unwrap(),
            queue: "default".parse().unwrap(),
            attempt: 2,
            at: UnixMs(1_000),
            worker: "w\x1b[2J".into(),
            what,
        }
    }

    #[test]
    fn an_event_is_one_harmless_line() {
        let line = told(&event(Happening::Log { line: "a\r\nb\x1b[31m".into() }), false);
        assert_eq!(line, "00:00:01.000 j add#2 log      a\u{fffd}\u{fffd}b\u{fffd}[31m");
        let line = told(&event(Happening::Started { version: "1".into(), attempts_max: None }), true);
        assert_eq!(line, "00:00:01.000 j add#2 \x1b[2mstarted  version 1 on w\u{fffd}[2J\x1b[0m");
    }

    #[test]
    fn absurd_fractions_are_bounded() {
        for (fraction, shown) in [(f64::NAN, "NaN%"), (-1.0, "0%"), (9e9, "100%"), (0.5, "50%")] {
            let line = told(&event(Happening::Progress { fraction: Some(fraction), message: String::new() }), false);
            assert!(line.contains(shown), "{line}");
        }
    }
}
