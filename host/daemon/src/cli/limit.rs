//! `lovage limit`: how many jobs run at once and how many start in a span, over all workers.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use clap::{Args, Subcommand};
use lovage_client::Client;
use lovage_job::limit::{Limit, LimitScope, Rate, parse_concurrency};
use lovage_job::name::{QueueName, TaskName};
use serde_json::{Value, json};

/// Shown under the help.
const EXAMPLES: &str = "\
Examples:
  lovage limit set task thumbnail --concurrency 4
  lovage limit set key crawl --rate 10/1s
  lovage limit remove task thumbnail";

/// Limit how many jobs run at once, or start in a span, over all workers.
///
/// A job that must wait holds nothing and costs no attempt; `lovage job list --state held` shows those that wait.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum LimitCommand {
    /// Set a limit, in the place of the one that is there.
    Set {
        #[command(subcommand)]
        scope: SetScope,
    },
    /// List the limits.
    #[command(visible_alias = "ls")]
    List,
    /// Remove a limit; the jobs that wait for it may run.
    #[command(visible_alias = "rm")]
    Remove {
        #[command(subcommand)]
        scope: Scope,
    },
}

/// What a limit counts together, and how many.
#[derive(Debug, Subcommand)]
pub enum SetScope {
    /// Every job of the tenant.
    Tenant {
        #[command(flatten)]
        values: Values,
    },
    /// The jobs of a queue.
    Queue {
        /// The queue.
        queue: QueueName,
        #[command(flatten)]
        values: Values,
    },
    /// The jobs of a task.
    Task {
        /// The task.
        task: TaskName,
        #[command(flatten)]
        values: Values,
    },
    /// The jobs of a task that were submitted with the same --limit-key, such as one customer's.
    Key {
        /// The task.
        task: TaskName,
        #[command(flatten)]
        values: Values,
    },
}

/// How many.
#[derive(Debug, Args)]
pub struct Values {
    /// Jobs at once.
    #[arg(long, value_name = "N", value_parser = parse_concurrency, allow_hyphen_values = true)]
    concurrency: Option<u32>,
    /// Starts in a span, spread evenly, such as 100/1m.
    #[arg(long, value_name = "COUNT/SPAN", allow_hyphen_values = true)]
    rate: Option<Rate>,
    /// Starts of the rate that may come together after a rest [default: 1].
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
}

/// What a limit counts together.
#[derive(Debug, Subcommand)]
pub enum Scope {
    /// Every job of the tenant.
    Tenant,
    /// The jobs of a queue.
    Queue {
        /// The queue.
        queue: QueueName,
    },
    /// The jobs of a task.
    Task {
        /// The task.
        task: TaskName,
    },
    /// The jobs of a task that have the same key.
    Key {
        /// The task.
        task: TaskName,
    },
}

impl SetScope {
    fn parts(self) -> (LimitScope, Values) {
        match self {
            Self::Tenant { values } => (LimitScope::Tenant, values),
            Self::Queue { queue, values } => (LimitScope::Queue(queue), values),
            Self::Task { task, values } => (LimitScope::Task(task), values),
            Self::Key { task, values } => (LimitScope::Key(task), values),
        }
    }
}

impl Scope {
    fn scope(self) -> LimitScope {
        match self {
            Self::Tenant => LimitScope::Tenant,
            Self::Queue { queue } => LimitScope::Queue(queue),
            Self::Task { task } => LimitScope::Task(task),
            Self::Key { task } => LimitScope::Key(task),
        }
    }
}

impl Values {
    fn limit(self) -> Result<Limit, Failure> {
        let rate = match (self.rate, self.burst) {
            (Some(rate), Some(burst)) => Some(rate.with_burst(burst).or_exit(Exit::Usage)?),
            (rate, _) => rate,
        };
        Limit::new(self.concurrency, rate)
            .map_err(|error| Failure::new(Exit::Usage, error).hint("give --concurrency N, --rate COUNT/SPAN, or both"))
    }
}

pub(super) async fn main(command: LimitCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    match command {
        LimitCommand::Set { scope } => {
            let (scope, values) = scope.parts();
            let limit = values.limit()?;
            let client = connection.operators_client().await?;
            client.set_limit(&scope, &limit).await.or_exit(Exit::Broker)?;
            told(&scope, &limit, output)
        }
        LimitCommand::List => list(&connection.operators_client().await?, output).await,
        LimitCommand::Remove { scope } => {
            let (scope, client) = (scope.scope(), connection.operators_client().await?);
            if !client.remove_limit(&scope).await.or_exit(Exit::Broker)? {
                let message = format!("there is no limit of {scope} in tenant {}", client.tenant());
                return Err(Failure::new(Exit::NotFound, message).hint("`lovage limit list` prints what there is"));
            }
            match output.json {
                true => output.value(&json!({"removed": scope}))?,
                false => output.line(&format!("{scope}: limit removed"))?,
            }
            Ok(Exit::Done)
        }
    }
}

fn told(scope: &LimitScope, limit: &Limit, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&as_json(scope, limit))?;
    } else {
        let parts = [
            limit.concurrency().map(|most| format!("{most} at once")),
            limit.rate().map(|rate| format!("{rate} started")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        output.line(&format!("{scope}: {}", parts.join(", ")))?;
    }
    Ok(Exit::Done)
}

fn as_json(scope: &LimitScope, limit: &Limit) -> Value {
    let mut value = json!(scope);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("concurrency".into(), json!(limit.concurrency()));
        fields.insert("rate".into(), json!(limit.rate()));
    }
    value
}

async fn list(client: &Client, output: Output) -> Result<Exit, Failure> {
    let limits = client.limits().await.or_exit(Exit::Broker)?;
    if output.json {
        output.value(&limits.iter().map(|(scope, limit)| as_json(scope, limit)).collect::<Vec<_>>())?;
    } else if limits.is_empty() {
        output.note("no limits");
    } else {
        let row = |(scope, limit): &(LimitScope, Limit)| {
            let concurrency = limit.concurrency().map(|most| most.to_string()).unwrap_or_default();
            vec![scope.to_string(), concurrency, limit.rate().map(ToString::to_string).unwrap_or_default()]
        };
        output.table(&["LIMIT OF", "AT ONCE", "RATE"], limits.iter().map(row).collect())?;
    }
    Ok(Exit::Done)
}
