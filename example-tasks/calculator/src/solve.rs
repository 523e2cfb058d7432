//! The arithmetic behind the interface `ops`; pure.

use crate::bindings::exports::examples::calculator::ops::{
    CalcError, Expression, Operator, Options, Rounding, Solution, Step,
};

/// Applies the steps from left to right, then rounds.
pub(crate) fn solve(expression: &Expression) -> Result<Solution, CalcError> {
    let mut value = expression.start;
    let mut trace = Vec::new();
    for (number, step) in expression.steps.iter().enumerate() {
        value = apply(value, step).ok_or_else(|| CalcError::DivisionByZero((number as u32, step.label.clone())))?;
        if expression.options.contains(Options::TRACE) {
            trace.push(value);
        }
    }
    let value = round(value, expression.rounding)?;
    if expression.options.contains(Options::FINITE_ONLY) && !value.is_finite() {
        return Err(CalcError::NotFinite);
    }
    Ok(Solution { value, trace })
}

/// Gives nothing for a division by zero.
fn apply(value: f64, step: &Step) -> Option<f64> {
    Some(match step.operator {
        Operator::Add => value + step.operand,
        Operator::Subtract => value - step.operand,
        Operator::Multiply => value * step.operand,
        Operator::Divide if step.operand == 0.0 => return None,
        Operator::Divide => value / step.operand,
        Operator::Power => value.powf(step.operand),
    })
}

fn round(value: f64, rounding: Rounding) -> Result<f64, CalcError> {
    match rounding {
        Rounding::None => Ok(value),
        Rounding::Places(places) if places <= 15 => {
            let scale = 10f64.powi(i32::from(places));
            Ok((value * scale).round() / scale)
        }
        Rounding::Places(places) => Err(CalcError::BadRounding(format!("{places} places are more than 15"))),
        Rounding::Multiple(unit) if unit > 0.0 => Ok((value / unit).round() * unit),
        Rounding::Multiple(unit) => Err(CalcError::BadRounding(format!("{unit} is not a positive multiple"))),
    }
}

/// Gives the mean and the standard deviation of the whole population.
pub(crate) fn statistics(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::{CalcError, Expression, Operator, Options, Rounding, Step, solve, statistics};

    fn expression(operator: Operator, operand: f64) -> Expression {
        let step = Step { operator, operand, label: Some("only".into()) };
        Expression { start: 10.0, steps: vec![step], rounding: Rounding::Places(2), options: Options::TRACE }
    }

    #[test]
    fn steps_are_applied_and_the_value_rounded() {
        let Ok(solution) = solve(&expression(Operator::Divide, 3.0)) else { panic!("has an answer") };
        assert_eq!(solution.value, 3.33);
        assert_eq!(solution.trace, [10.0 / 3.0]);
    }

    #[test]
    fn division_by_zero_names_the_step() {
        let error = solve(&expression(Operator::Divide, 0.0)).err();
        assert!(matches!(error, Some(CalcError::DivisionByZero((0, Some(label)))) if label == "only"));
    }

    #[test]
    fn infinity_is_refused_on_request() {
        let mut overflow = expression(Operator::Power, 1e9);
        overflow.options = Options::FINITE_ONLY;
        assert!(matches!(solve(&overflow), Err(CalcError::NotFinite)));
    }

    #[test]
    fn no_values_have_no_statistics() {
        assert_eq!(statistics(&[]), None);
        assert_eq!(statistics(&[1.0, 3.0]), Some((2.0, 1.0)));
    }
}
