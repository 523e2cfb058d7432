//! Reading the value of a secret: from a file, from standard input, or from a terminal that does not show it.

use super::super::{Exit, Failure, Output};
use lovage_job::name::SecretName;
use lovage_job::secret::{REDACTED_BYTES_MIN, SECRET_BYTES_MAX, SecretBytes};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The value that the user gives.
pub(super) fn read(from: Option<&Path>, name: &SecretName, output: Output) -> Result<SecretBytes, Failure> {
    let standard = from.is_none_or(|path| path == Path::new("-"));
    let value = match from {
        Some(path) if !standard => {
            let file =
                File::open(path).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
            bounded(file, &path.display().to_string())?
        }
        _ if std::io::stdin().is_terminal() => ask(name)?,
        _ => bounded(std::io::stdin().lock(), "standard input")?,
    };
    if value.reveal().is_empty() {
        return Err(Failure::new(Exit::Usage, "the value is empty").hint("`lovage secret rm` removes a secret"));
    }
    if value.reveal().ends_with(b"\n") {
        output.note("the value ends with a line break, which is a part of it; `printf %s` writes none");
    }
    if value.reveal().len() < REDACTED_BYTES_MIN {
        output.note(&format!(
            "a value below {REDACTED_BYTES_MIN} bytes is not taken out of what tasks log: it would be found everywhere"
        ));
    }
    Ok(value)
}

fn ask(name: &SecretName) -> Result<SecretBytes, Failure> {
    let terminal = console::Term::stderr();
    let host = |error: std::io::Error| Failure::new(Exit::Host, format!("the terminal: {error}"));
    terminal.write_str(&format!("value of {name} (not shown): ")).map_err(host)?;
    let line = Zeroizing::new(terminal.read_secure_line().map_err(host)?);
    check(line.as_bytes().to_vec(), "the line")
}

fn bounded(source: impl Read, what: &str) -> Result<SecretBytes, Failure> {
    let most = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = source.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Exit::Usage, format!("{what}: {error}")))?;
    check(bytes, what)
}

fn check(bytes: Vec<u8>, what: &str) -> Result<SecretBytes, Failure> {
    let value = SecretBytes::new(bytes);
    if value.reveal().len() > SECRET_BYTES_MAX {
        return Err(Failure::new(
            Exit::Usage,
            format!("{what} has more than {SECRET_BYTES_MAX} bytes, the most of a secret"),
        ));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_a_largest_size() {
        let most = std::io::repeat(7).take(u64::try_from(SECRET_BYTES_MAX).unwrap());
        assert_eq!(bounded(most, "x").unwrap().reveal().len(), SECRET_BYTES_MAX);
        assert_eq!(bounded(std::io::repeat(7), "x").unwrap_err().exit, Exit::Usage);
    }
}
