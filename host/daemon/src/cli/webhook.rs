//! `lovage webhook`: the secret that webhooks are signed with.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use clap::Subcommand;
use serde_json::json;

/// See and change the secret that webhooks are signed with.
///
/// A webhook is the URL of --on-success, --on-failure, --on-dead, --then of `lovage submit`, or --then of a group.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Print the secret that the tenant's webhooks are signed with; whoever has it can sign.
    ///
    /// It is made when it is first asked for. Receivers check the headers webhook-id, webhook-timestamp and
    /// webhook-signature with it, as the Standard Webhooks convention says.
    Secret {
        /// Make a new one; the one before signs beside it for a day.
        #[arg(long)]
        rotate: bool,
    },
}

pub(super) async fn main(
    command: &WebhookCommand,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let client = connection.operators_client().await?;
    let WebhookCommand::Secret { rotate } = command;
    let secrets = match rotate {
        true => client.rotate_webhook_secret().await,
        false => client.webhook_secrets().await,
    };
    let secrets = secrets.or_exit(Exit::Broker)?;
    if output.json {
        output.value(&json!({"secret": secrets.current.reveal(), "previous_until": secrets.previous_until}))?;
        return Ok(Exit::Done);
    }
    output.line(&secrets.current.reveal())?;
    if let Some(until) = secrets.previous_until.filter(|_| *rotate) {
        output.note(&format!("the secret before signs beside it until {}", until.to_rfc3339()));
    }
    Ok(Exit::Done)
}
