//! Registries on the command line: who asks them, whether over TLS, and what their errors mean.

use super::key::{password, small_file};
use super::{Exit, Failure};
use crate::oci::{Access, Described, Login, OciError, Reference, Registry};
use clap::Args;
use lovage_job::catalog::Provenance;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The largest configuration of docker, in bytes.
const DOCKER_CONFIG_BYTES_MAX: u64 = 1 << 20;

/// How a registry is asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// The user at the registry [default: as docker is logged in].
    #[arg(long, value_name = "USER", requires = "registry_password_file")]
    registry_user: Option<String>,
    /// The user's password is on the first line of this file.
    #[arg(long, value_name = "FILE", requires = "registry_user")]
    registry_password_file: Option<PathBuf>,
    /// Whether the registry is asked without TLS [default: true on this machine, false elsewhere].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    plain_http: Option<bool>,
}

impl RegistryArgs {
    /// The registry of a reference.
    pub(super) fn open(&self, reference: &Reference, access: Access) -> Result<Registry, Failure> {
        let login = match (&self.registry_user, &self.registry_password_file) {
            (Some(user), Some(file)) => Some(Login { user: user.clone(), password: password(file)? }),
            _ => docker_login(&reference.host)?,
        };
        let plain = self.plain_http.unwrap_or_else(|| reference.is_loopback());
        Registry::new(reference, access, login, plain).map_err(registry_failure)
    }
}

/// As docker is logged in. A configuration that is not there is none; one that cannot be used is told.
fn docker_login(host: &str) -> Result<Option<Login>, Failure> {
    let folder = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")).filter(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = small_file(&path, DOCKER_CONFIG_BYTES_MAX)?;
    Login::from_docker(&text, host).map_err(|reason| {
        Failure::new(Exit::Usage, format!("{}: {reason}", path.display()))
            .hint("--registry-user and --registry-password-file say who asks")
    })
}

/// What a registry's error means for the command.
pub(super) fn registry_failure(error: OciError) -> Failure {
    let exit = match &error {
        OciError::NotFound(_) => Exit::NotFound,
        error if error.is_outside() => Exit::Broker,
        _ => Exit::Usage,
    };
    let hint = match &error {
        OciError::Unauthorized { .. } => Some("--registry-user and --registry-password-file say who asks"),
        OciError::TooLarge { .. } => Some("raise --max-size, up to 64MiB"),
        _ => None,
    };
    let failure = Failure::new(exit, error);
    hint.into_iter().fold(failure, |failure, hint| failure.hint(hint))
}

/// What is noted beside a component: what the common annotations have a place for, and where it came from. Who pushed
/// it is not told to everyone who reads the registry.
pub(super) fn annotations(
    title: &str,
    version: Option<&str>,
    summary: Option<&str>,
    created: &str,
    provenance: &Provenance,
) -> BTreeMap<String, String> {
    let statement = provenance.statement.as_ref();
    let source = serde_json::json!({
        "source": provenance.source,
        "tool": provenance.tool,
        "predicate_type": statement.map(|statement| &statement.predicate_type),
        "builder": statement.and_then(|statement| statement.builder.as_ref()),
        "commit": statement.and_then(|statement| statement.commit.as_ref()),
    });
    let commit = statement.and_then(|statement| statement.commit.as_deref());
    let all = [
        ("org.opencontainers.image.title", Some(title)),
        ("org.opencontainers.image.version", version),
        ("org.opencontainers.image.description", summary),
        ("org.opencontainers.image.created", Some(created)),
        ("org.opencontainers.image.revision", commit),
        ("lovage.provenance", Some(&*source.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// A component with what is told of it.
pub(super) fn described(
    created: String,
    exports: Vec<String>,
    imports: Vec<String>,
    annotations: BTreeMap<String, String>,
) -> Described {
    Described { created, exports, imports, annotations }
}
