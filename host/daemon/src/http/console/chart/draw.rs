//! Drawing with plotters: lines, areas and a grid, into text.

use super::scale::{clock, round_times};
use super::{Chart, Ink, Line};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use std::ops::Range;

/// The size of the drawing in its own units; the page stretches it.
const SIZE: (u32, u32) = (520, 170);

/// The SVG of a chart. What cannot be drawn (a size of nothing) leaves the frame.
pub(super) fn svg(chart: &Chart) -> String {
    let mut text = String::new();
    let drawn = draw(chart, &mut text);
    if let Err(error) = drawn {
        tracing::debug!(%error, chart = chart.title, "chart not drawn");
        text = "<svg></svg>".to_owned();
    }
    // the page gives it its size
    let body = text.split_once('>').map_or("", |(_, body)| body);
    format!("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{body}", SIZE.0, SIZE.1, chart.title)
}

fn draw(chart: &Chart, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    let to = chart.to.max(chart.from.saturating_add(1));
    let (times, step) = round_times(chart.from, to);
    let top = (chart.most() * 1.1).clamp(chart.unit.top_min(), chart.unit.top_max());
    let axis = Times { range: chart.from..to, times };
    let mut builder = ChartBuilder::on(&area);
    builder.margin_top(8).margin_right(12).x_label_area_size(20).y_label_area_size(58);
    let mut drawn = builder.build_cartesian_2d(axis, 0.0..top)?;
    let label = ("sans-serif", 13).into_font().color(&colour(Ink::Soft));
    let grid = colour(Ink::Soft).mix(0.35);
    drawn
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(grid)
        .axis_style(grid)
        .y_labels(4)
        .x_labels(8)
        .x_label_formatter(&|at| clock(*at, step))
        .y_label_formatter(&|figure| chart.unit.text(*figure))
        .label_style(label)
        .draw()?;
    for line in &chart.lines {
        let ink = colour(line.ink);
        for run in runs(line, top) {
            if line.filled {
                let below = AreaSeries::new(run.iter().copied(), 0.0, ink.mix(0.18));
                drawn.draw_series(below)?;
            }
            match run.as_slice() {
                [alone] => drop(drawn.draw_series([Circle::new(*alone, 2, ink.filled())])?),
                _ => drop(drawn.draw_series(LineSeries::new(run, ink.stroke_width(2)))?),
            }
        }
    }
    drop(drawn);
    area.present()?;
    Ok(())
}

fn colour(ink: Ink) -> RGBColor {
    let (red, green, blue) = ink.code();
    RGBColor(red, green, blue)
}

/// The parts of a line between gaps, held inside of the drawing.
fn runs(line: &Line, top: f64) -> Vec<Vec<(i64, f64)>> {
    let mut runs = vec![Vec::new()];
    for (at, figure) in &line.points {
        match (figure.filter(|figure| figure.is_finite()), runs.last_mut()) {
            (Some(figure), Some(run)) => run.push((*at, figure.clamp(0.0, top))),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// A time axis with labels at round times.
struct Times {
    range: Range<i64>,
    times: Vec<i64>,
}

impl Ranged for Times {
    type FormatOption = DefaultFormatting;
    type ValueType = i64;

    fn map(&self, value: &i64, limit: (i32, i32)) -> i32 {
        let span = (self.range.end.saturating_sub(self.range.start)).max(1);
        let share = value.saturating_sub(self.range.start) as f64 / span as f64;
        // a share outside of 0 to 1 is a point outside of the drawing, which is cut off
        limit.0 + (f64::from(limit.1 - limit.0) * share.clamp(0.0, 1.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<i64> {
        self.times.clone()
    }

    fn range(&self) -> Range<i64> {
        self.range.clone()
    }
}
