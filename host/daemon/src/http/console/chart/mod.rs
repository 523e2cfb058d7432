//! Charts as inline SVG: what is drawn, apart from how (`draw`) and from where the figures come.
//!
//! A drawing knows no colours: each line has an ink, whose colour code is a name that the stylesheet translates, so that
//! dark and light need no second drawing and no inline style.

mod draw;
mod scale;

pub use scale::Unit;

/// What a line stands for; the stylesheet has its colour in dark and light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Went well.
    Ok,
    /// Went wrong.
    Bad,
    /// Runs, or a figure without a judgement.
    Run,
    /// To be watched.
    Warn,
    /// Gave up.
    Dead,
    /// In the background.
    Soft,
}

impl Ink {
    /// The class of its mark in a legend.
    pub fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Run => "run",
            Self::Warn => "warn",
            Self::Dead => "dead",
            Self::Soft => "soft",
        }
    }

    /// The colour code that the stylesheet knows it by.
    fn code(self) -> (u8, u8, u8) {
        let last = match self {
            Self::Ok => 1,
            Self::Bad => 2,
            Self::Run => 3,
            Self::Warn => 4,
            Self::Dead => 5,
            Self::Soft => 6,
        };
        (0, 0xA0, last)
    }
}

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name in the legend.
    pub name: &'static str,
    /// What it stands for.
    pub ink: Ink,
    /// Whether the area below it is filled.
    pub filled: bool,
    /// Times in milliseconds, and figures, oldest first; a gap where there is no figure.
    pub points: Vec<(i64, Option<f64>)>,
}

/// A chart over time.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// What its figures are.
    pub unit: Unit,
    /// The first time shown, in milliseconds.
    pub from: i64,
    /// The last time shown.
    pub to: i64,
    /// Its lines, the one in front last.
    pub lines: Vec<Line>,
}

/// Markup that this program made itself and that needs no escaping: a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing(String);

impl std::fmt::Display for Drawing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Drawing {}

/// A name in the legend of a chart, with the last figure of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legend {
    /// The line's name.
    pub name: &'static str,
    /// The class of its mark.
    pub class: &'static str,
    /// Its last figure.
    pub last: String,
}

impl Chart {
    /// The drawing.
    pub fn drawing(&self) -> Drawing {
        Drawing(draw::svg(self))
    }

    /// The legend.
    pub fn legend(&self) -> Vec<Legend> {
        let last = |line: &Line| line.points.iter().rev().find_map(|(_, figure)| *figure);
        let entry = |line: &Line| Legend {
            name: line.name,
            class: line.ink.class(),
            last: last(line).map_or_else(|| "–".to_owned(), |figure| self.unit.text(figure)),
        };
        self.lines.iter().map(entry).collect()
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.iter().all(|(_, figure)| figure.is_none()))
    }

    fn most(&self) -> f64 {
        let figures = self.lines.iter().flat_map(|line| line.points.iter()).filter_map(|(_, figure)| *figure);
        figures.filter(|figure| figure.is_finite()).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(i64, Option<f64>)>) -> Chart {
        let line = Line { name: "completed", ink: Ink::Ok, filled: true, points };
        Chart { title: "Throughput", unit: Unit::PerSecond, from: 0, to: 60_000, lines: vec![line] }
    }

    #[test]
    fn drawing_has_no_style_and_no_size_of_its_own() {
        let svg = chart((0..60).map(|at| (at * 1_000, Some(f64::from(u32::try_from(at).unwrap())))).collect())
            .drawing()
            .to_string();
        assert!(svg.starts_with("<svg viewBox=\"0 0 ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for refused in ["style=", "<script", "href", "http", "<style"] {
            assert!(!svg.contains(refused), "{refused}: {svg}");
        }
        assert!(svg.contains("#00A001"), "{svg}");
    }

    #[test]
    fn chart_without_figures_is_drawn_and_told() {
        let empty = chart(vec![(0, None), (60_000, None)]);
        assert!(empty.is_empty());
        assert_eq!(empty.legend().first().unwrap().last, "–");
        assert!(empty.drawing().to_string().contains("<svg"));
        assert!(chart(Vec::new()).drawing().to_string().contains("<svg"));
    }

    #[test]
    fn gap_splits_a_line() {
        let whole = chart(vec![(0, Some(1.0)), (1_000, Some(2.0)), (2_000, Some(1.0)), (3_000, Some(1.0))]);
        let split =
            chart(vec![(0, Some(1.0)), (1_000, Some(2.0)), (1_500, None), (2_000, Some(1.0)), (3_000, Some(1.0))]);
        let lines = |chart: &Chart| chart.drawing().to_string().matches("<polyline").count();
        assert_eq!(lines(&split), lines(&whole) + 1);
    }

    #[test]
    fn odd_figures_and_times_are_drawn() {
        for figure in [f64::NAN, f64::INFINITY, f64::MAX, -1.0, 0.0] {
            let _drawn = chart(vec![(0, Some(figure)), (1_000, Some(1.0))]).drawing();
        }
        let mut backwards = chart(vec![(0, Some(1.0))]);
        (backwards.from, backwards.to) = (5, 5);
        assert!(backwards.drawing().to_string().contains("<svg"));
    }
}
