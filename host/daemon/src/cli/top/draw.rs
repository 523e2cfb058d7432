//! Draws what is seen: all parts side by side where there is room, one of them where there is little.

use super::keys::{Part, Shown};
use super::told;
use super::view::View;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};

/// A screen of at least so much shows all parts.
const WIDE: u16 = 100;
const TALL: u16 = 24;
/// Screens below this have room for the headline alone.
const FLAT: u16 = 8;

/// Draws one picture.
pub(super) fn draw(frame: &mut Frame, view: &View, shown: &Shown) {
    let area = frame.area();
    let curve = if area.height >= TALL { 4 } else { 0 };
    let body = if area.height >= FLAT { Constraint::Min(3) } else { Constraint::Length(0) };
    let [head, curve, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(curve), body, Constraint::Length(1)]).areas(area);
    draw_head(frame, head, view, shown);
    draw_curve(frame, curve, view);
    if area.width >= WIDE && area.height >= TALL {
        let [top, bottom] = Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(body);
        let halves = |area| Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
        let ([queues, workers], [tasks, failures]): ([Rect; 2], [Rect; 2]) = (halves(top), halves(bottom));
        for (part, area) in Part::ALL.into_iter().zip([queues, workers, tasks, failures]) {
            draw_part(frame, area, view, shown, part);
        }
    } else {
        draw_part(frame, body, view, shown, shown.part);
    }
    let keys = "q quit  Tab part  arrows scroll  s sort  p pause  t tenant";
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn draw_head(frame: &mut Frame, area: Rect, view: &View, shown: &Shown) {
    let paused = if shown.paused.is_some() { "  PAUSED" } else { "" };
    let title = format!("lovage top  {}  last {} s{paused}", told::of_whom(view), view.seconds);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines = vec![Line::styled(title, bold), Line::raw(told::headline(view))];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_curve(frame: &mut Frame, area: Rect, view: &View) {
    if area.height > 0 {
        // the newest seconds, where there is not room for all of them
        let from = view.curve.len().saturating_sub(usize::from(area.width));
        let seen = view.curve.get(from..).unwrap_or_default();
        frame.render_widget(Sparkline::default().data(seen), area);
    }
}

fn draw_part(frame: &mut Frame, area: Rect, view: &View, shown: &Shown, part: Part) {
    let mine = part == shown.part;
    let rows = told::rows(view, part, shown.sort.filter(|_| mine));
    let title = format!(" {} ({}) ", part.title(), rows.len());
    let style = if mine { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    let block = Block::bordered().title(title).border_style(style);
    let hidden = view.unseen.as_ref().filter(|_| matches!(part, Part::Queues | Part::Workers));
    if let Some(reason) = hidden {
        frame.render_widget(Paragraph::new(format!("not seen: {reason}")).block(block), area);
        return;
    }
    // the last row stays in sight, however far is scrolled
    let skipped = if mine { shown.scroll.min(rows.len().saturating_sub(1)) } else { 0 };
    let widths = widths(part, &rows);
    let heads = part.columns().iter().enumerate().map(|(column, name)| match shown.sort.filter(|_| mine) {
        Some(sort) if sort == column => format!("{name}*"),
        _ => (*name).to_owned(),
    });
    let header = Row::new(heads).style(Style::new().add_modifier(Modifier::REVERSED));
    let rows = rows.into_iter().skip(skipped).map(Row::new);
    frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
}

/// The last column has what the others leave.
fn widths(part: Part, rows: &[Vec<String>]) -> Vec<Constraint> {
    let last = part.columns().len().saturating_sub(1);
    let width = |(column, name): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let most = cells.max().unwrap_or_default().max(name.len() + 1).min(24);
        let most = u16::try_from(most).unwrap_or(24);
        if column == last { Constraint::Min(most.min(12)) } else { Constraint::Length(most) }
    };
    part.columns().iter().enumerate().map(width).collect()
}
