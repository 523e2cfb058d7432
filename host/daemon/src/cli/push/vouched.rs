//! What vouches for a push: signatures, and where the component came from.

use super::super::key::{read_key, small_file};
use super::super::sign::{comment, usual_comment};
use super::super::{Exit, Failure};
use crate::clock::now;
use crate::registry::signing::Signing;
use clap::Args;
use lovage_job::catalog::{Provenance, STATEMENT_BYTES_MAX, Source, Statement};
use lovage_job::name::Digest;
use lovage_job::signature::{SIGNATURE_BYTES_MAX, Signature};
use lovage_job::tenant::SignaturePolicy;
use std::path::{Path, PathBuf};

/// Who vouches for the component, and where it comes from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Signatures and provenance")]
pub struct VouchArgs {
    /// Sign what is pushed with this secret key of `lovage key new` or minisign.
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
    /// The password of an encrypted key is on the first line of this file.
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_key_password_file: Option<PathBuf>,
    /// What is noted in the signature [default: the time].
    #[arg(long, value_name = "TEXT", requires = "sign_key", value_parser = comment)]
    sign_comment: Option<String>,
    /// A signature that `lovage sign` made before; may be given several times.
    #[arg(long = "signature", value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// What says how the component was built: an in-toto statement, such as SLSA's, of its digest.
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
}

impl VouchArgs {
    /// Reads keys and signatures, before anything is sent anywhere.
    pub(super) fn signing(&self) -> Result<Signing, Failure> {
        let key = self.sign_key.as_deref().map(|path| read_key(path, self.sign_key_password_file.as_deref()));
        let read = |path: &PathBuf| {
            let text = small_file(path, SIGNATURE_BYTES_MAX as u64)?;
            Signature::read(&text).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
        };
        Ok(Signing {
            key: key.transpose()?,
            comment: self.sign_comment.clone().unwrap_or_else(|| usual_comment(now())),
            signatures: self.signatures.iter().map(read).collect::<Result<_, _>>()?,
            policy: SignaturePolicy::default(),
        })
    }

    /// Where the component came from. An attestation must be of the bytes that were read or of what they were made to.
    pub(super) fn provenance(&self, source: Source, component: &Digest) -> Result<Provenance, Failure> {
        let read = |path: &PathBuf| {
            let text = small_file(path, STATEMENT_BYTES_MAX as u64)?;
            Statement::read(text.as_bytes(), &[source.digest(), component])
                .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
        };
        let statement = self.provenance.as_ref().map(read).transpose()?;
        let tool = format!("lovage {}", env!("CARGO_PKG_VERSION"));
        Ok(Provenance { source, pushed_by: whoever(), tool, statement })
    }
}

/// The source of a component that is a file.
pub(super) fn file_source(path: &Path, bytes: &[u8]) -> Source {
    Source::File {
        name: path.file_name().map(|name| name.to_string_lossy().chars().take(200).collect()).unwrap_or_default(),
        size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        digest: Digest::of(bytes),
    }
}

/// The user and the machine, as they call themselves.
fn whoever() -> Option<String> {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|name| !name.is_empty());
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let told = format!("{user}@{host}");
    Some(told.chars().filter(|c| !c.is_control()).take(200).collect())
}
