//! `lovage top`: how jobs, queues and workers are, as it changes. It needs a broker alone, and no `lovage serve`.

mod board;
mod draw;
mod feed;
mod keys;
mod screen;
#[cfg(test)]
mod tests;
mod told;
mod view;

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::worker::Stops;
use super::{Exit, Failure, Output};
use board::Boards;
use clap::Args;
use feed::{Feed, News};
use lovage_job::unit::parse_span;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How long events are gathered for one picture.
const GATHERED_FOR: Duration = Duration::from_secs(2);

/// Shown under the help.
const KEYS: &str = "\
Keys:
  q quit   p pause   s sort by the next column   t show the next tenant alone, or all again
  Tab, arrows: the next part, up and down within it";

/// Watch jobs, queues and workers on one screen.
///
/// What is shown comes from events, which may be lost, and from the broker; only operators see queues and workers.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub struct TopArgs {
    /// The jobs of all tenants; those of --tenant alone otherwise.
    #[arg(long)]
    all: bool,
    /// Print one picture and end; with --json as one document.
    #[arg(long)]
    once: bool,
    /// With --once: how long to gather events before.
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span, requires = "once", default_value = "2s")]
    gather: Duration,
}

pub(super) async fn main(args: TopArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.client().await?;
    let tenant = (!args.all).then(|| client.tenant().clone());
    let feed = Feed::start(client.nats().clone(), tenant.as_ref()).await.or_exit(Exit::Broker)?;
    let boards = Boards::new(Instant::now(), tenant);
    if args.once || output.json {
        return once(feed, boards, if args.once { args.gather } else { GATHERED_FOR }, output).await;
    }
    if !std::io::stdout().is_terminal() {
        let message = "standard output is no terminal";
        return Err(Failure::new(Exit::Usage, message).hint("give --once for one picture, with --json for programs"));
    }
    screen::run(feed, boards).await
}

/// Gathers for a while, and prints what there is then.
async fn once(mut feed: Feed, mut boards: Boards, gather: Duration, output: Output) -> Result<Exit, Failure> {
    let mut stops = Stops::new()?;
    let end = tokio::time::sleep(gather);
    tokio::pin!(end);
    let mut over = false;
    // the end waits for the first picture of the cluster, which comes or fails within seconds
    while !over || !boards.has_looked() {
        tokio::select! {
            news = feed.next() => match news {
                Some(news) => boards.hear(news, Instant::now()),
                None => return Err(Failure::new(Exit::Broker, "the connection was closed")),
            },
            () = &mut end, if !over => over = true,
            () = stops.next() => return Ok(Exit::Interrupted),
        }
    }
    let view = boards.view(Instant::now(), crate::clock::now());
    if output.json {
        output.value(&view)?
    } else {
        told::print(&view, output)?
    }
    Ok(Exit::Done)
}
