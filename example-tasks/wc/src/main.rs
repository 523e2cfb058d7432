//! Counts lines, words, characters and bytes of stdin: a plain command-line program that is a task as it is.
//!
//! `wc [--lines] [--words] [--chars] [--bytes] [--json]`; all four without a choice. `WC_FORMAT=json` in the
//! environment does what `--json` does. Exits with 0, with 1 where stdin cannot be read, with 2 where an
//! argument is not known; WASI 0.2 tells a host only whether the code was 0. Remarks go to stderr.

#![forbid(unsafe_code)]

mod count;
mod options;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use count::Counts;
use options::Options;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1), std::env::var("WC_FORMAT").ok().as_deref()) {
        Ok(options) => options,
        Err(why) => return fail(USAGE, &why),
    };
    let mut input = Vec::new();
    if let Err(error) = io::stdin().read_to_end(&mut input) {
        return fail(FAILED, &format!("reading stdin: {error}"));
    }
    let counts = Counts::of(&input);
    if counts.chars.is_none() {
        eprintln!("wc: stdin is not UTF-8, so its characters are not counted");
    }
    match writeln!(io::stdout(), "{}", options.shown(&counts)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &format!("writing stdout: {error}")),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("wc: {why}");
    ExitCode::from(code)
}
