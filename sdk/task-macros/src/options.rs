//! What stands in the parentheses of `#[task(…)]`, checked while the author's crate compiles.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitStr, Result, Token};

use crate::{names, units};

const KNOWN: &str = "`name`, `timeout`, `soft_timeout`, `attempts`, `fuel` and `memory`";

/// The options of one task; what is absent is left to the operator.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) soft_timeout_ms: Option<u64>,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) fuel: Option<u64>,
    pub(crate) memory_bytes: Option<u64>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let value: Lit = input.parse()?;
            options.set(&key, &value)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.check(input)?;
        Ok(options)
    }
}

impl Options {
    /// A soft timeout that the timeout would never let pass is a mistake.
    fn check(&self, input: ParseStream<'_>) -> Result<()> {
        match (self.soft_timeout_ms, self.timeout_ms) {
            (Some(soft), Some(hard)) if soft >= hard => {
                Err(input.error("`soft_timeout` must be below `timeout`, which would stop the attempt first"))
            }
            _ => Ok(()),
        }
    }

    fn set(&mut self, key: &Ident, value: &Lit) -> Result<()> {
        let fresh = match key.to_string().as_str() {
            "name" => self.name.replace(name(value)?).is_none(),
            "timeout" => self.timeout_ms.replace(timeout(value)?).is_none(),
            "soft_timeout" => self.soft_timeout_ms.replace(timeout(value)?).is_none(),
            "attempts" => self.attempts_max.replace(attempts(value)?).is_none(),
            "fuel" => self.fuel.replace(quantity(value, units::count, "`2G` or 2_000_000_000")?).is_none(),
            "memory" => self.memory_bytes.replace(quantity(value, units::bytes, "`128MiB`")?).is_none(),
            other => return Err(Error::new(key.span(), format!("unknown option `{other}`; the options are {KNOWN}"))),
        };
        if fresh { Ok(()) } else { Err(Error::new(key.span(), format!("option `{key}` is given twice"))) }
    }
}

fn name(value: &Lit) -> Result<String> {
    let text = string(value, "a string such as \"word-stats\"")?;
    names::check(&text.value()).map_err(|why| Error::new(text.span(), why))?;
    Ok(text.value())
}

fn timeout(value: &Lit) -> Result<u64> {
    let text = string(value, "a string such as \"5s\"")?;
    units::millis(&text.value()).map_err(|why| Error::new(text.span(), why))
}

fn attempts(value: &Lit) -> Result<u32> {
    let Lit::Int(number) = value else {
        return Err(Error::new(value.span(), "`attempts` takes a number such as 3"));
    };
    match number.base10_parse::<u32>()? {
        0 => Err(Error::new(number.span(), "`attempts` counts the first attempt too, so it is at least 1")),
        count => Ok(count),
    }
}

/// Reads a number, or a string with a unit.
fn quantity(value: &Lit, read: fn(&str) -> std::result::Result<u64, String>, example: &str) -> Result<u64> {
    let text = match value {
        Lit::Int(number) if number.suffix().is_empty() => number.base10_digits().to_owned(),
        Lit::Str(text) => text.value(),
        other => return Err(Error::new(other.span(), format!("expected a quantity such as {example}"))),
    };
    read(&text).map_err(|why| Error::new(value.span(), why))
}

fn string<'a>(value: &'a Lit, expected: &str) -> Result<&'a LitStr> {
    match value {
        Lit::Str(text) => Ok(text),
        other => Err(Error::new(other.span(), format!("expected {expected}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(text: &str) -> Result<Options, String> {
        syn::parse_str::<Options>(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_read() {
        let options = parse(
            r#"name = "a-b", timeout = "5s", soft_timeout = "4s", attempts = 3, fuel = 1_000, memory = "128MiB","#,
        )
        .unwrap();
        assert_eq!(options.name.as_deref(), Some("a-b"));
        assert_eq!(options.timeout_ms, Some(5_000));
        assert_eq!(options.soft_timeout_ms, Some(4_000));
        assert_eq!(options.attempts_max, Some(3));
        assert_eq!(options.fuel, Some(1_000));
        assert_eq!(options.memory_bytes, Some(128 << 20));
    }

    #[test]
    fn no_options_leave_everything_to_the_operator() {
        let options = parse("").unwrap();
        assert!(options.name.is_none() && options.timeout_ms.is_none() && options.attempts_max.is_none());
        assert!(options.fuel.is_none() && options.memory_bytes.is_none());
    }

    #[test]
    fn faulty_options_are_refused_with_the_reason() {
        for (text, reason) in [
            (r#"nmae = "a""#, "unknown option `nmae`; the options are"),
            (r#"name = "a", name = "b""#, "option `name` is given twice"),
            (r#"name = "Not OK""#, "must start with a lower case letter"),
            ("name = 3", "expected a string such as \"word-stats\""),
            ("timeout = 5", "expected a string such as \"5s\""),
            (r#"timeout = "soon""#, "`soon` is not a duration"),
            (r#"soft_timeout = "5s", timeout = "5s""#, "must be below `timeout`"),
            ("attempts = 0", "at least 1"),
            (r#"attempts = "3""#, "takes a number such as 3"),
            ("attempts = 4294967296", "number too large"),
            (r#"fuel = "lots""#, "`lots` is not a count"),
            ("fuel = true", "expected a quantity such as `2G`"),
            ("memory = 0", "`0` must be more than zero"),
            (r#"memory = "big""#, "`big` is not a size"),
            (r#"name"#, "expected `=`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
