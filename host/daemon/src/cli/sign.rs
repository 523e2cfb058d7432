//! `lovage sign`: signs a component on a machine that need not see the broker.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::key::read_key;
use super::push::{SIZE_CEILING, read_component};
use super::{Exit, Failure, Output};
use crate::clock::now;
use clap::Args;
use lovage_job::name::{Digest, TaskName, VersionName};
use lovage_job::signature::Claim;
use lovage_job::unit::UnixMs;
use lovage_sandbox::{InspectOptions, inspect};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Sign a component as a version of a task of the tenant, for `lovage push --signature`. Needs no broker.
///
/// What is signed is five lines of text: `lovage signature v1`, `tenant T`, `task N`, `version V` and `digest
/// sha256:…`. With --message they are printed, and `minisign -S` on them makes the same signature.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The component (.wasm).
    file: PathBuf,
    /// The task's name.
    #[arg(long, value_name = "NAME")]
    task: TaskName,
    /// The version's name.
    #[arg(long = "version", value_name = "V")]
    version: VersionName,
    /// The secret key.
    #[arg(long, value_name = "FILE", required_unless_present = "message")]
    key: Option<PathBuf>,
    /// The password of an encrypted key is on the first line of this file.
    #[arg(long, value_name = "FILE", requires = "key")]
    password_file: Option<PathBuf>,
    /// What is noted in the signature, which vouches for it too [default: the time].
    #[arg(long, value_name = "TEXT", value_parser = comment)]
    comment: Option<String>,
    /// Where the signature goes; - is standard output [default: the component's file and .minisig].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the message and sign nothing.
    #[arg(long, conflicts_with_all = ["key", "comment", "out"])]
    message: bool,
}

/// The longest comment, in bytes.
const COMMENT_BYTES_MAX: usize = 512;

/// Checks what is noted in a signature.
pub(super) fn comment(text: &str) -> Result<String, String> {
    match text.len() <= COMMENT_BYTES_MAX && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err(format!("a comment is one line of at most {COMMENT_BYTES_MAX} bytes")),
    }
}

/// What is noted where nobody says anything.
pub(super) fn usual_comment(at: UnixMs) -> String {
    format!("signed {}", at.to_rfc3339())
}

pub(super) fn main(args: &SignArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let digest = digest_of(&args.file)?;
    let claim =
        Claim { tenant: connection.tenant().clone(), task: args.task.clone(), version: args.version.clone(), digest };
    let Some(key) = args.key.as_deref().filter(|_| !args.message) else {
        output.raw(claim.message().as_bytes())?;
        return Ok(Exit::Done);
    };
    let key = read_key(key, args.password_file.as_deref())?;
    let comment = args.comment.clone().unwrap_or_else(|| usual_comment(now()));
    let signature = key.sign(&claim, &comment).or_exit(Exit::Host)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.minisig", args.file.display())));
    if out == Path::new("-") {
        output.raw(signature.minisig.as_bytes())?;
        return Ok(Exit::Done);
    }
    std::fs::write(&out, &signature.minisig)
        .map_err(|error| Failure::new(Exit::Host, format!("{}: {error}", out.display())))?;
    if output.json {
        output.value(&json!({
            "tenant": claim.tenant, "task": claim.task, "version": claim.version, "digest": claim.digest,
            "key_id": signature.key_id, "signature_file": out,
        }))?;
    } else {
        output.line(&out.display().to_string())?;
        output.note(&format!("signed {claim} with key {}", signature.key_id));
    }
    Ok(Exit::Done)
}

/// The digest that the component is stored under: that of a core module is of what it is adapted to.
fn digest_of(file: &Path) -> Result<Digest, Failure> {
    let bytes = read_component(file, SIZE_CEILING)?;
    let options = InspectOptions { size_max: SIZE_CEILING.as_usize(), ..InspectOptions::default() };
    let found =
        inspect(&bytes, &options).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))?;
    Ok(Digest::of(&found.component))
}
