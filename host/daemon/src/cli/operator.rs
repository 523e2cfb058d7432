//! `lovage operator`: the keys of a broker on which each tenant has an account of its own.

use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::access::operator::{OperatorDir, OperatorError};
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Make the keys of a broker on which each tenant has an account of its own.
///
/// Lovage's streams are in the platform's account, which workers and operators connect to; `lovage tenant add NAME
/// --account --operator-dir DIR` makes an account for a tenant and tells the running server, without a restart.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    Init(InitArgs),
}

/// Make an operator, the platform's account with credentials for operators and workers, and a configuration for
/// nats-server.
///
/// The folder holds the keys that decide who may do what: keep it from everyone, and keep a copy.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where the server listens.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4222")]
    listen: SocketAddr,
    /// Where the server keeps streams [default: DIR/store].
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

pub(super) fn main(command: &OperatorCommand, output: Output) -> Result<Exit, Failure> {
    let OperatorCommand::Init(args) = command;
    let made = OperatorDir::init(&args.dir, crate::clock::now()).map_err(told)?;
    let dir = made.path().canonicalize().or_exit(Exit::Host)?;
    let accounts = made.accounts().map_err(told)?;
    let store = args.store.clone().unwrap_or_else(|| dir.join("store"));
    let store = std::path::absolute(store).or_exit(Exit::Host)?;
    let part = part(&dir, &accounts)?;
    made.write("operator.conf", &part).map_err(told)?;
    made.write("nats-server.conf", &whole(&dir, &store, args.listen)?).map_err(told)?;
    let shown = |name: &str| dir.join(name).display().to_string();
    if output.json {
        output.value(&json!({
            "dir": dir, "server_config": dir.join("nats-server.conf"), "operator_config": dir.join("operator.conf"),
            "operator_creds": dir.join("operator.creds"), "worker_creds": dir.join("worker.creds"),
            "system_account": accounts[0].0, "platform_account": accounts[1].0,
        }))?;
        return Ok(Exit::Done);
    }
    output.line(&format!(
        "operator in {}\n\n  nats-server --config {}\n  lovage worker --creds {}\n  \
           lovage tenant add acme --account --operator-dir {}\n\n\
         Operators connect with {}.",
        dir.display(),
        shown("nats-server.conf"),
        shown("worker.creds"),
        dir.display(),
        shown("operator.creds"),
    ))?;
    Ok(Exit::Done)
}

/// The part of the server's configuration that is about accounts.
fn part(dir: &Path, accounts: &[(String, String); 2]) -> Result<String, Failure> {
    let mut text = String::from("# Written by `lovage operator init`; `include` this file in nats-server.conf.\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "operator: {}", quoted(&dir.join("operator.jwt"))?);
    let _ = writeln!(text, "system_account: {}", accounts[0].0);
    let _ = writeln!(
        text,
        "resolver: {{\n  type: full\n  dir: {}\n  allow_delete: true\n  hard_delete: true\n  interval: \"2m\"\n}}",
        quoted(&dir.join("accounts"))?
    );
    text.push_str("resolver_preload: {\n");
    for (account, token) in accounts {
        let _ = writeln!(text, "  {account}: {token}");
    }
    text.push_str("}\n");
    Ok(text)
}

fn whole(dir: &Path, store: &Path, listen: SocketAddr) -> Result<String, Failure> {
    Ok(format!(
        "# Written by `lovage operator init`.\nlisten: \"{listen}\"\npid_file: {}\njetstream {{\n  store_dir: {}\n  \
         sync_interval: \"1s\"\n}}\ninclude \"operator.conf\"\n",
        quoted(&dir.join("nats-server.pid"))?,
        quoted(store)?,
    ))
}

/// A path as nats-server reads it.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let bad = || Failure::new(Exit::Usage, format!("{} cannot be written into a configuration", path.display()));
    Ok(format!("\"{}\"", text.ok_or_else(bad)?.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// An error of the folder with its exit code.
pub(super) fn told(error: OperatorError) -> Failure {
    match &error {
        OperatorError::Exists(_) | OperatorError::Missing(_) | OperatorError::NoAccount { .. } => {
            Failure::new(Exit::Usage, error)
        }
        OperatorError::File { .. } | OperatorError::Key { .. } | OperatorError::Jwt(_) => {
            Failure::new(Exit::Host, error)
        }
    }
}
