//! `lovage key`: pairs of keys that components are signed with.

use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::registry::signing::{SECRET_KEY_BYTES_MAX, SigningError, SigningKey};
use clap::Subcommand;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Make the keys that components are signed with.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a pair of keys: the secret one into FILE, which only you can read, the public one into FILE.pub.
    ///
    /// Both are files of minisign (Ed25519). The public key's line is printed; `lovage tenant keys add` makes a tenant
    /// trust it.
    New {
        /// Where the secret key goes; nothing is written over.
        #[arg(long, value_name = "FILE", default_value = "lovage.key")]
        out: PathBuf,
        /// Encrypt the secret key with the password on the first line of this file.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// The largest password file, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

pub(super) fn main(command: &KeyCommand, output: Output) -> Result<Exit, Failure> {
    let KeyCommand::New { out, password_file } = command;
    let password = password_file.as_deref().map(password).transpose()?;
    let failed = |error: minisign::PError| Failure::new(Exit::Host, format!("no key can be made: {error}"));
    let pair = match password {
        Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password)),
        None => minisign::KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.map_err(failed)?;
    let secret = pair.sk.to_box(Some("lovage secret key")).map_err(failed)?.into_string();
    let public = pair.pk.to_box().map_err(failed)?.into_string();
    let line: lovage_job::signature::PublicKey = public.parse().or_exit(Exit::Host)?;
    let public_file = PathBuf::from(format!("{}.pub", out.display()));
    if public_file.exists() {
        return Err(Failure::new(Exit::Usage, format!("{}: there is such a file already", public_file.display())));
    }
    write_new(out, 0o600, &secret)?;
    write_new(&public_file, 0o644, &public)?;
    if output.json {
        output.value(&json!({
            "key_id": line.id().to_string(), "public_key": line.as_str(),
            "secret_file": out, "public_file": public_file, "encrypted": password_file.is_some(),
        }))?;
        return Ok(Exit::Done);
    }
    output.line(line.as_str())?;
    output.note(&format!("key {}: secret in {}, public in {}", line.id(), out.display(), public_file.display()));
    Ok(Exit::Done)
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)
}

/// Reads a small text file; size first.
pub(super) fn small_file(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| fail(&error))?;
    let mut text = String::new();
    // one byte more than may be there tells a larger file, whatever its metadata says
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(|error| fail(&error))?;
    if text.len() as u64 > bytes_max {
        return Err(fail(&format!("the file is larger than {bytes_max} bytes")));
    }
    Ok(text)
}

/// The first line of a password file.
pub(super) fn password(path: &Path) -> Result<String, Failure> {
    let text = small_file(path, PASSWORD_BYTES_MAX)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::new(Exit::Usage, format!("{}: there is no password on the first line", path.display()))),
    }
}

/// Reads a secret key.
pub(super) fn read_key(path: &Path, password_file: Option<&Path>) -> Result<SigningKey, Failure> {
    let text = small_file(path, SECRET_KEY_BYTES_MAX)?;
    let password = password_file.map(password).transpose()?;
    SigningKey::read(&text, password).map_err(|error| {
        let failure = Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
        match error {
            SigningError::Encrypted => failure.hint("name a file with the password on its first line"),
            _ => failure.hint("`lovage key new` and `minisign -G` make keys"),
        }
    })
}
