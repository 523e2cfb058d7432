//! The terminal: its own screen while `top` runs, given back whatever the end is.

use super::board::Boards;
use super::draw::draw;
use super::feed::Feed;
use super::keys::Shown;
use crate::cli::exit::OrExit;
use crate::cli::worker::Stops;
use crate::cli::{Exit, Failure};
use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use std::time::{Duration, Instant};

/// How often the screen is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// Gives the terminal back.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows it until the user has seen enough.
pub(super) async fn run(mut feed: Feed, mut boards: Boards) -> Result<Exit, Failure> {
    let mut stops = Stops::new()?;
    let mut terminal = ratatui::try_init().or_exit(Exit::Host)?;
    let _restored = Restored;
    let (mut events, mut shown) = (EventStream::new(), Shown::default());
    let mut tick = tokio::time::interval(DRAW_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let view = |boards: &Boards| boards.view(Instant::now(), crate::clock::now());
    loop {
        // every arm is safe to drop: each takes one thing from a stream, when it wins
        let redraw = tokio::select! {
            _ = tick.tick() => true,
            news = feed.next() => match news {
                Some(news) => {
                    boards.hear(news, Instant::now());
                    false
                }
                None => return Err(Failure::new(Exit::Broker, "the connection was closed")),
            },
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) => {
                    if shown.press(key, &mut boards, view).is_break() {
                        return Ok(Exit::Done);
                    }
                    true
                }
                Some(Ok(_)) => true,
                Some(Err(error)) => return Err(Failure::new(Exit::Host, format!("the terminal: {error}"))),
                None => return Ok(Exit::Done),
            },
            () = stops.next() => return Ok(Exit::Done),
        };
        if redraw {
            let now = view(&boards);
            let seen = shown.paused.as_deref().unwrap_or(&now);
            terminal.draw(|frame| draw(frame, seen, &shown)).or_exit(Exit::Host)?;
        }
    }
}
