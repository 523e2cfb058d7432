//! `lovage secret key`, and where commands and workers find keys.

use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use crate::secrets::{KEY_VARIABLE, KeyRing, MasterKey};
use clap::Subcommand;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What is in the folder of `lovage dev`.
const DEV_FILE: &str = "secrets.key";

/// Make the keys that secrets are encrypted with.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key.
    ///
    /// Whoever has it reads every secret of every tenant. Losing it loses them.
    New {
        /// Where it is written, readable by you alone; before the keys that are there already, so that it encrypts from
        /// now on and they still open. Standard output where nothing is given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(super) fn main(command: &KeyCommand, output: Output) -> Result<Exit, Failure> {
    let KeyCommand::New { out } = command;
    let key = MasterKey::new(rand::random());
    let Some(path) = out else {
        output.raw(key.to_text().as_bytes())?;
        output.raw(b"\n")?;
        return Ok(Exit::Done);
    };
    let kept = if path.exists() {
        KeyRing::read(path).or_exit(Exit::Usage)?;
        Zeroizing::new(std::fs::read_to_string(path).or_exit(Exit::Host)?)
    } else {
        Zeroizing::default()
    };
    replace(path, &Zeroizing::new(format!("{}\n{}", *key.to_text(), *kept)))?;
    if output.json {
        output.value(&json!({ "key": key.id(), "file": path }))?;
    } else {
        output.note(&format!("key {} is the first in {}", key.id(), path.display()));
    }
    Ok(Exit::Done)
}

/// Writes a file as a whole or not at all, readable by its owner alone.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::new(Exit::Host, format!("{}: {error}", path.display()));
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = create(&fresh).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    });
    written.map_err(|error| {
        let _may_not_be_there = std::fs::remove_file(&fresh);
        fail(error)
    })
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The keys of a file, or else those of the environment; nothing where there are none.
pub(in crate::cli) fn worker_keys(file: Option<&Path>) -> Result<Option<KeyRing>, Failure> {
    if let Some(path) = file {
        return KeyRing::read(path).map(Some).or_exit(Exit::Usage);
    }
    match std::env::var(KEY_VARIABLE).map(Zeroizing::new) {
        Ok(text) if !text.trim().is_empty() => {
            let fail = |error| Failure::new(Exit::Usage, format!("{KEY_VARIABLE}: {error}"));
            KeyRing::parse(&text).map(Some).map_err(fail)
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

/// The file of keys of `lovage dev`, which is made where it is not there.
pub(in crate::cli) fn dev_keys(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join(DEV_FILE);
    match create(&path) {
        Ok(mut file) => {
            let key = MasterKey::new(rand::random()).to_text();
            file.write_all(key.as_bytes()).and_then(|()| file.write_all(b"\n")).or_exit(Exit::Host)?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Failure::new(Exit::Host, format!("{}: {error}", path.display()))),
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_key_goes_before_the_old_ones_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let command = KeyCommand::New { out: Some(path.clone()) };
        main(&command, Output { json: false }).unwrap();
        let first = KeyRing::read(&path).unwrap();
        main(&command, Output { json: false }).unwrap();
        let second = KeyRing::read(&path).unwrap();
        assert_ne!(first.current(), second.current());
        assert_eq!(second.find(&first.current().id()), Some(first.current()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "no key").unwrap();
        main(&command, Output { json: false }).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "no key");
    }

    #[test]
    fn the_key_of_a_folder_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = dev_keys(folder.path()).unwrap();
        let made = std::fs::read_to_string(&path).unwrap();
        assert_eq!(dev_keys(folder.path()).unwrap(), path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
        KeyRing::read(&path).unwrap();
    }
}
