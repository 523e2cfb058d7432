//! `lovage push`: a component becomes a task.

pub(in crate::cli) mod brought;
mod carried;
mod taken;
mod vouched;

use super::audit;
use super::compile::compiler_program;
use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::registry::RegistryArgs;
use super::worker::default_cache;
use super::{Exit, Failure, Output};
use crate::app::engine;
use crate::config::WorkerFile;
use crate::nats::records::Records;
use crate::nats::store::{Catalog, Components};
use crate::nats::topology::{self, TopologyConfig};
use crate::oci::Reference;
use crate::registry::push::{Checked, PushError, PushOptions, Pushed, check, store};
use crate::registry::signing::Signing;
use clap::Args;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::capability::{Capability, Ceiling};
use lovage_job::catalog::{Provenance, Shape, Source};
use lovage_job::limits::LimitsWish;
use lovage_job::manifest::Manifest;
use lovage_job::name::{AliasName, TaskName, TenantName, VersionName};
use lovage_job::retry::{ATTEMPTS_MAX, Backoff, RetryPolicy};
use lovage_job::retry_on::RetryOn;
use lovage_job::unit::{ByteSize, parse_span};
use lovage_sandbox::InspectOptions;
use std::path::PathBuf;
use std::time::Duration;

/// Upload a component: its tasks are live on running workers as soon as they are compiled there.
///
/// The shape is found in the component: an SDK task (lovage:task/handler), an HTTP handler (wasi:http), a program
/// (wasi:cli) or plain functions. A core module of WASI preview 1 is adapted first.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component: a file (.wasm), or an artefact of a registry, oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:…].
    file: PathBuf,
    /// Bring the component to a registry, as oci://HOST[:PORT]/REPOSITORY[:TAG], and nothing to the broker.
    #[arg(long, value_name = "REFERENCE", conflicts_with_all = ["manifest", "sign_key", "signatures", "grants"])]
    to: Option<Reference>,
    /// A file that says what the options say and carries the task's schedules; options win over it. No file is read
    /// that is not named here.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The task's name [default: from the component's export; of a program or HTTP handler, from the file].
    #[arg(long, value_name = "NAME")]
    name: Option<TaskName>,
    /// The version's name, which never changes afterwards [default: the next number].
    #[arg(long = "version", value_name = "V")]
    version: Option<VersionName>,
    /// Push only this task of the component.
    #[arg(long, value_name = "TASK")]
    export: Option<String>,
    /// How to call a component that can be called in several ways.
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    shape: Option<Shape>,
    /// The alias to move to this version [default: stable].
    #[arg(long, value_name = "NAME", conflicts_with = "no_promote")]
    alias: Option<AliasName>,
    /// Leave all aliases as they are.
    #[arg(long)]
    no_promote: bool,
    /// An argument for a program; may be given several times.
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<String>,
    /// A variable for a program's environment; may be given several times.
    #[arg(long = "env", value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// How long results are kept.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    result_ttl: Option<Duration>,
    /// Retries after the first attempt.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..i64::from(ATTEMPTS_MAX)))]
    retries: Option<u32>,
    /// The back-off between attempts, such as exponential:2s..10m, fixed:30s or list:1s,1m.
    #[arg(long, value_name = "BACKOFF")]
    backoff: Option<Backoff>,
    /// How an attempt must have ended to be tried again, such as failed,timed-out,out-of-fuel; or none.
    #[arg(long, value_name = "OUTCOMES")]
    retry_on: Option<RetryOn>,
    /// Grant the task something beyond its sandbox, for all its versions, beside what it is granted already: submit,
    /// http=HOST, keyvalue=BUCKET, blobstore=CONTAINER, config=KEY=VALUE, secret=NAME, scratch=SIZE or deterministic;
    /// may be given several times. `lovage task deny` takes it back.
    #[arg(long = "allow", value_name = "CAPABILITY")]
    grants: Vec<Capability>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    vouch: vouched::VouchArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Take an artefact only that cosign signed with this key (cosign.pub).
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    cosign_key: Option<PathBuf>,
    /// The largest component that is accepted.
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    max_size: ByteSize,
    /// Where compiled components are kept [default: the user's cache].
    #[arg(long, value_name = "DIR", env = "LOVAGE_CACHE")]
    cache_dir: Option<PathBuf>,
}

/// Limits of each attempt; the operator's ceiling is never passed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of each attempt")]
pub struct LimitArgs {
    /// Units of fuel, roughly instructions.
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// Linear memory.
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Wall time.
    #[arg(long = "run-timeout", value_name = "SPAN", value_parser = parse_span)]
    run_timeout: Option<Duration>,
    /// Wall time after which an attempt is asked to stop; what it then gives stands. Below the wall time.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    soft_timeout: Option<Duration>,
    /// The result.
    #[arg(long, value_name = "SIZE")]
    max_output: Option<ByteSize>,
    /// The captured log.
    #[arg(long, value_name = "SIZE")]
    max_log: Option<ByteSize>,
}

impl LimitArgs {
    /// What was asked for.
    pub(super) fn wish(&self) -> LimitsWish {
        LimitsWish {
            fuel: self.fuel,
            memory: self.memory,
            timeout: self.run_timeout,
            soft_timeout: self.soft_timeout,
            output: self.max_output,
            log: self.max_log,
            ..LimitsWish::default()
        }
    }
}

pub(super) fn shape(text: &str) -> Result<Shape, String> {
    let known = || Shape::ALL.map(Shape::as_str).join(", ");
    Shape::parse(text).ok_or_else(|| format!("shapes are {}", known()))
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Components above this are refused whatever is asked for.
pub(super) const SIZE_CEILING: ByteSize = ByteSize::mib(64);

/// Reads a component; refuses before reading what is too large.
pub(super) fn read_component(path: &std::path::Path, max: ByteSize) -> Result<Vec<u8>, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| fail(&error))?.len();
    let max = max.min(SIZE_CEILING);
    if size > max.0 {
        return Err(fail(&format!("the file has {size} bytes, more than {max}")).hint("raise --max-size, up to 64MiB"));
    }
    std::fs::read(path).map_err(|error| fail(&error))
}

/// What the options say, and the manifest where they say nothing.
fn push_options(args: &PushArgs, manifest: &Manifest) -> PushOptions {
    let retry = match (args.retries.or(manifest.retries), args.backoff.clone().or(manifest.backoff.clone())) {
        (None, None) => None,
        (retries, backoff) => {
            let defaults = RetryPolicy::default();
            let attempts_max = retries.map_or(defaults.attempts_max, |retries| retries + 1);
            Some(RetryPolicy { attempts_max, backoff: backoff.unwrap_or(defaults.backoff), ..defaults })
        }
    };
    PushOptions {
        name: args.name.clone().or(manifest.task.clone()),
        file_name: taken::suggested_name(&args.file),
        version: args.version.clone().or(manifest.version.clone()),
        export: args.export.clone().or(manifest.export.clone()),
        shape: args.shape.or(manifest.shape),
        alias: alias_of(args, manifest),
        limits: limits_of(args.limits.wish(), &manifest.limits),
        grants: manifest.allow.iter().chain(&args.grants).cloned().collect(),
        ceiling: Ceiling::default(),
        retry,
        retry_on: args.retry_on.or(manifest.retry_on),
        args: if args.args.is_empty() { manifest.args.clone() } else { args.args.clone() },
        env: manifest.env.clone().into_iter().chain(args.env.iter().cloned()).collect(),
        result_ttl_seconds: args.result_ttl.or(manifest.result_ttl).map(|span| span.as_secs().max(1)),
        size_max: args.max_size.min(SIZE_CEILING).as_usize(),
        quota: lovage_job::tenant::Quota::default(),
        signing: Signing::default(),
        provenance: None,
    }
}

fn alias_of(args: &PushArgs, manifest: &Manifest) -> Option<AliasName> {
    let promotes = args.alias.is_some() || manifest.promote != Some(false);
    let alias = || args.alias.clone().or(manifest.alias.clone()).unwrap_or_else(AliasName::stable);
    (promotes && !args.no_promote).then(alias)
}

fn limits_of(wish: LimitsWish, manifest: &LimitsWish) -> LimitsWish {
    LimitsWish {
        fuel: wish.fuel.or(manifest.fuel),
        memory: wish.memory.or(manifest.memory),
        timeout: wish.timeout.or(manifest.timeout),
        output: wish.output.or(manifest.output),
        log: wish.log.or(manifest.log),
        ..wish
    }
}

pub(super) async fn main(args: PushArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    if let Some(reference) = &args.to {
        return brought::main(&args, reference, output).await;
    }
    let taken = taken::take(&args).await?;
    let manifest = args.manifest.as_deref().map(carried::read).transpose()?;
    let mut options = push_options(&args, &manifest.clone().unwrap_or_default());
    options.signing = args.vouch.signing()?;
    let cache = args.cache_dir.clone().map_or_else(default_cache, Ok)?;
    let compiler = compiler_program().or_exit(Exit::Host)?;
    let (sandbox, compiler) = engine(&WorkerFile::default(), 1, &cache, &compiler).or_exit(Exit::Host)?;
    let inspect = InspectOptions { size_max: options.size_max, shape: options.shape };
    let checked = check(&taken.bytes, &inspect, &sandbox, &compiler).await.map_err(|error| failure(&args, &error))?;
    if checked.inspection.adapted {
        output.note("adapted a core module of WASI preview 1 to a component");
    }
    options.provenance = Some(args.vouch.provenance(taken.source.clone(), &checked.digest)?);
    let carried = match &manifest {
        Some(manifest) => Some(carried::check(manifest, &checked, &options).map_err(|fault| fault.told(&args))?),
        None => None,
    };
    let client = connection.operators_client().await?;
    let js = async_nats::jetstream::new(client.nats().clone());
    let topology = TopologyConfig::default();
    topology::ensure_shared(&js, topology).await.or_exit(Exit::Broker)?;
    topology::ensure_tenant(&js, connection.tenant(), topology).await.or_exit(Exit::Broker)?;
    let catalog = Catalog::open(&js).await.or_exit(Exit::Broker)?;
    // workers serve every tenant that is noted here
    let records = Records::open(&js).await.or_exit(Exit::Broker)?;
    records.register(connection.tenant()).await.or_exit(Exit::Broker)?;
    let record = records.known(connection.tenant()).await.or_exit(Exit::Broker)?;
    (options.ceiling, options.signing.policy, options.quota) = (record.ceiling, record.signatures, record.quota);
    let audited = Refusals { client: client.nats(), tenant: connection.tenant(), checked: &checked, output };
    let signer = match taken.check_policy(&options.signing.policy).await {
        Ok(signer) => signer,
        Err(failure) => return Err(audited.noted(failure.message.clone(), failure).await),
    };
    if let Some(signer) = signer
        && let Some(Provenance { source: Source::Oci { cosign, .. }, .. }) = &mut options.provenance
    {
        *cosign = Some(signer);
    }
    let components = Components::new(js);
    let schedules = match &carried {
        Some(carried) => Some((&carried.task, carried.accepted_by(&client).await?)),
        None => None,
    };
    let pushed = store(&catalog, &components, connection.tenant(), &checked, &options).await;
    let pushed = match pushed {
        Ok(pushed) => pushed,
        Err(error @ PushError::Unsigned(_)) => {
            return Err(audited.noted(error.to_string(), failure(&args, &error)).await);
        }
        Err(error) => return Err(failure(&args, &error)),
    };
    for one in &pushed {
        let target = format!("{} {}", one.record.task, one.record.version);
        let after = serde_json::json!({
            "digest": one.record.digest, "alias": one.alias, "existing": one.existing, "grants": one.granted
        });
        let note = AuditNote::new(connection.tenant(), AuditKind::Catalog, "push", target).after(after);
        audit::note(client.nats(), note, output).await;
    }
    if let Some((task, schedules)) = schedules {
        carried::apply(&client, task, schedules, output).await?;
    }
    print(&pushed, output)
}

/// Where it is noted that a tenant's policy refused a push.
struct Refusals<'a> {
    client: &'a async_nats::Client,
    tenant: &'a TenantName,
    checked: &'a Checked,
    output: Output,
}

impl Refusals<'_> {
    async fn noted(&self, reason: String, failure: Failure) -> Failure {
        let names = self.checked.exports.iter().map(|export| export.name.as_str());
        let target = names.collect::<Vec<_>>().join(", ");
        let note = AuditNote::new(self.tenant, AuditKind::Signatures, "push", target);
        audit::note(self.client, note.after(&self.checked.digest).refused(reason), self.output).await;
        failure
    }
}

fn failure(args: &PushArgs, error: &PushError) -> Failure {
    let exit = match error {
        PushError::Broker(_) => Exit::Broker,
        PushError::OverComponentSize { .. } | PushError::TooManyComponents { .. } => Exit::Quota,
        PushError::Sandbox(_) | PushError::Compile(lovage_sandbox::CompileError::Host { .. }) => Exit::Host,
        _ => Exit::Usage,
    };
    Failure::new(exit, format!("{}: {error}", args.file.display()))
}

fn print(pushed: &[Pushed], output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&pushed)?;
        return Ok(Exit::Done);
    }
    let rows = pushed.iter().map(|pushed| {
        let record = &pushed.record;
        vec![
            record.task.to_string(),
            record.version.to_string(),
            pushed.alias.as_ref().map(ToString::to_string).unwrap_or_default(),
            record.export.entry.shape().to_string(),
            record.digest.short().to_owned(),
            if pushed.existing { "was there".to_owned() } else { "new".to_owned() },
        ]
    });
    output.table(&["TASK", "VERSION", "ALIAS", "SHAPE", "DIGEST", ""], rows.collect())?;
    Ok(Exit::Done)
}
