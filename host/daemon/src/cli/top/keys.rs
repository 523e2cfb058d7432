//! What keys do to what is shown.

use super::board::Boards;
use super::view::View;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::ops::ControlFlow;

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Queues,
    Workers,
    Tasks,
    Failures,
}

impl Part {
    /// All of them, in the order of Tab.
    pub(super) const ALL: [Self; 4] = [Self::Queues, Self::Workers, Self::Tasks, Self::Failures];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Queues => "Queues",
            Self::Workers => "Workers",
            Self::Tasks => "Tasks",
            Self::Failures => "Failures",
        }
    }

    /// The columns that rows can be sorted by.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Queues => &["QUEUE", "LANE", "WAITING", "HELD", "OLDEST"],
            Self::Workers => &["WORKER", "STATE", "RUNNING", "QUEUES"],
            Self::Tasks => &["TASK", "ATTEMPTS", "FAILED", "MEAN"],
            Self::Failures => &["AT", "JOB", "TASK", "OUTCOME", "MESSAGE"],
        }
    }

    fn next(self, step: usize) -> Self {
        let place = Self::ALL.iter().position(|part| *part == self).unwrap_or_default();
        Self::ALL.get((place + step) % Self::ALL.len()).copied().unwrap_or(self)
    }
}

/// How it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// The part that keys are for, and the only one on a small screen.
    pub(super) part: Part,
    /// The column that the part's rows are sorted by; as they come where nothing is said.
    pub(super) sort: Option<usize>,
    /// Rows of the part that are scrolled past.
    pub(super) scroll: usize,
    /// What is shown while it does not move.
    pub(super) paused: Option<Box<View>>,
}

impl Default for Shown {
    fn default() -> Self {
        Self { part: Part::Queues, sort: None, scroll: 0, paused: None }
    }
}

impl Shown {
    /// Does what a key asks for; breaks where that is the end.
    pub(super) fn press(
        &mut self,
        key: KeyEvent,
        boards: &mut Boards,
        now: impl Fn(&Boards) -> View,
    ) -> ControlFlow<()> {
        if key.kind == KeyEventKind::Release {
            return ControlFlow::Continue(());
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return ControlFlow::Break(()),
            KeyCode::Char('q') | KeyCode::Esc => return ControlFlow::Break(()),
            KeyCode::Char('p') | KeyCode::Char(' ') => {
                self.paused = match self.paused.take() {
                    None => Some(Box::new(now(boards))),
                    Some(_) => None,
                };
            }
            KeyCode::Char('t') => {
                boards.next_tenant();
                self.paused = None;
                self.scroll = 0;
            }
            KeyCode::Char('s') => {
                let next = self.sort.map_or(0, |sort| sort + 1);
                self.sort = (next < self.part.columns().len()).then_some(next);
            }
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Part::ALL.len() - 1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn turn(&mut self, step: usize) {
        (self.part, self.sort, self.scroll) = (self.part.next(step), None, 0);
    }
}
