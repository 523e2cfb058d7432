//! Arithmetic as plain typed exports: no SDK, only a WIT world and its bindings.
//!
//! Lovage calls such functions with JSON that follows their types: `add` takes `[2, 3]` or `{"a": 2, "b": 3}`.
//! An `err` from `divide` or `solve` is the task's own failure. The interface `ops` shows records, lists,
//! options, variants, enums, flags and tuples; its arithmetic is in [`mod@solve`].

mod solve;

#[allow(clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ world: "calculator", path: "wit" });

    export!(Calculator with_types_in self);

    pub(crate) struct Calculator;
}

use bindings::Calculator;
use bindings::exports::examples::calculator::ops::{CalcError, Expression, Guest as Ops, Solution};

impl bindings::Guest for Calculator {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn divide(a: i32, b: i32) -> Result<i32, String> {
        a.checked_div(b).ok_or_else(|| format!("{a} / {b} has no answer in 32 bits"))
    }

    fn sum(values: Vec<f64>) -> f64 {
        values.iter().sum()
    }

    fn check_even(value: i64) -> Result<(), ()> {
        if value % 2 == 0 { Ok(()) } else { Err(()) }
    }
}

impl Ops for Calculator {
    fn solve(expr: Expression) -> Result<Solution, CalcError> {
        solve::solve(&expr)
    }

    fn statistics(values: Vec<f64>) -> Option<(f64, f64)> {
        solve::statistics(&values)
    }

    fn count_char(text: String, wanted: char) -> u64 {
        text.chars().filter(|c| *c == wanted).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Calculator;
    use super::bindings::Guest;

    #[test]
    fn division_without_an_answer_is_an_error() {
        assert_eq!(Calculator::divide(-7, 2), Ok(-3));
        assert_eq!(Calculator::divide(1, 0), Err("1 / 0 has no answer in 32 bits".into()));
        assert!(Calculator::divide(i32::MIN, -1).is_err());
    }

    #[test]
    fn addition_wraps_around() {
        assert_eq!(Calculator::add(u32::MAX, 2), 1);
    }
}
