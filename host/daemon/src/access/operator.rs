//! The folder of an operator: the keys that sign, and what they signed. Whoever has it decides who may do what, so its
//! files are their owner's alone and nothing in it is ever logged or stored on the broker.

use super::claims::{self, AccountLimits};
use super::file::write_private;
use super::jwt::{self, JwtError};
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Map, Value};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The largest file of the folder that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the folder does not give.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The folder is in use already.
    #[error("{0} has an operator already; its keys are not made anew")]
    Exists(PathBuf),
    /// The folder is not one.
    #[error("{0} is not an operator's folder; `lovage operator init --dir DIR` makes one")]
    Missing(PathBuf),
    /// A file has no key of the kind.
    #[error("{path} holds no {kind} key")]
    Key {
        /// The file.
        path: PathBuf,
        /// The kind of key.
        kind: &'static str,
    },
    /// The tenant has no account here.
    #[error("{dir} has no account of tenant {tenant}")]
    NoAccount {
        /// The folder.
        dir: PathBuf,
        /// The tenant.
        tenant: TenantName,
    },
    /// The claims cannot be signed or read.
    #[error(transparent)]
    Jwt(#[from] JwtError),
}

/// An operator's folder, locked while this is there.
pub struct OperatorDir {
    dir: PathBuf,
    operator: KeyPair,
    platform: KeyPair,
    _lock: File,
}

/// A tenant's account as it is to be told to the server.
pub struct TenantAccount {
    /// Its public key.
    pub account: String,
    /// The public key of its user; empty where it has none.
    pub user: String,
    /// Its claims.
    pub token: String,
    /// Whether it has streams of its own, so that the account alone and not its user's rights is the boundary.
    pub has_streams: bool,
    /// The credentials of its user, where new ones were made.
    pub creds: Option<(String, PathBuf)>,
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> OperatorError + use<> {
    let path = path.to_owned();
    move |cause| OperatorError::File { path, cause }
}

fn kind_of(prefix: KeyPairType) -> &'static str {
    match prefix {
        KeyPairType::Operator => "operator",
        KeyPairType::Account => "account",
        _ => "user",
    }
}

impl OperatorDir {
    /// Makes the keys and claims of an operator in a folder that has none.
    pub fn init(dir: &Path, at: UnixMs) -> Result<Self, OperatorError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file(dir))?;
        let lock = lock(dir)?;
        if dir.join("operator.nk").exists() {
            return Err(OperatorError::Exists(dir.to_owned()));
        }
        let (operator, platform, system) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let made = Self { dir: dir.to_owned(), operator, platform, _lock: lock };
        let (operator, platform) = (&made.operator, &made.platform);
        made.write_key("platform.nk", platform)?;
        made.write_key("system.nk", &system)?;
        made.write("operator.jwt", &claims::operator(operator, &system.public_key(), at)?)?;
        made.write("system.jwt", &claims::system(operator, &system.public_key(), at)?)?;
        made.write("platform.jwt", &claims::platform(operator, &platform.public_key(), [], at)?)?;
        for (name, account) in [("system", &system), ("operator", platform), ("worker", platform)] {
            let user = KeyPair::new_user();
            let token = claims::user(account, (name, &user.public_key()), at)?;
            made.write(&format!("{name}.creds"), &jwt::creds(&token, &made.seed(&user)?))?;
        }
        // last: with it the folder is an operator's
        made.write_key("operator.nk", operator)?;
        Ok(made)
    }

    /// Opens a folder.
    pub fn open(dir: &Path) -> Result<Self, OperatorError> {
        if !dir.join("operator.nk").exists() {
            // a folder that may not be looked into says so
            fs::read_dir(dir).map_err(|cause| match cause.kind() {
                io::ErrorKind::NotFound => OperatorError::Missing(dir.to_owned()),
                _ => OperatorError::File { path: dir.to_owned(), cause },
            })?;
            return Err(OperatorError::Missing(dir.to_owned()));
        }
        let lock = lock(dir)?;
        let operator = read_key(&dir.join("operator.nk"), KeyPairType::Operator)?;
        let platform = read_key(&dir.join("platform.nk"), KeyPairType::Account)?;
        Ok(Self { dir: dir.to_owned(), operator, platform, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The public keys of the system's and the platform's accounts with their claims.
    pub fn accounts(&self) -> Result<[(String, String); 2], OperatorError> {
        let system = read_key(&self.dir.join("system.nk"), KeyPairType::Account)?.public_key();
        let platform = self.platform.public_key();
        Ok([(system, self.read("system.jwt")?), (platform, self.read("platform.jwt")?)])
    }

    /// Makes a tenant's account with a user, and the platform's claims anew with its offers.
    pub fn add(&self, tenant: &TenantName, limits: &AccountLimits, at: UnixMs) -> Result<TenantAccount, OperatorError> {
        let home = self.home(tenant);
        DirBuilder::new().recursive(true).mode(0o700).create(&home).map_err(file(&home))?;
        let account = KeyPair::new_account();
        self.write_key(&self.named(tenant, "account.nk"), &account)?;
        self.write(&self.named(tenant, "limits.json"), &limits_text(limits))?;
        let made = self.with_user(tenant, &account, limits, &Map::new(), at)?;
        self.renew_platform(at)?;
        Ok(made)
    }

    /// Makes a new user of a tenant's account; the one before is revoked.
    pub fn renew(&self, tenant: &TenantName, before: &str, at: UnixMs) -> Result<TenantAccount, OperatorError> {
        let (account, limits, revoked) = self.known(tenant, before, at)?;
        self.with_user(tenant, &account, &limits, &revoked, at)
    }

    /// Revokes the user of a tenant's account.
    pub fn revoke(&self, tenant: &TenantName, before: &str, at: UnixMs) -> Result<TenantAccount, OperatorError> {
        let (account, limits, revoked) = self.known(tenant, before, at)?;
        let token = self.write_account(tenant, &account, &limits, &revoked, at)?;
        // it may have been given away and removed here
        let _ = fs::remove_file(self.home(tenant).join(format!("{tenant}.creds")));
        Ok(TenantAccount {
            account: account.public_key(),
            user: String::new(),
            token,
            has_streams: limits.has_streams(),
            creds: None,
        })
    }

    /// Forgets a tenant's account. Returns the order for the server to do so too.
    pub fn forget(&self, tenant: &TenantName, account: &str, at: UnixMs) -> Result<String, OperatorError> {
        let home = self.home(tenant);
        match fs::remove_dir_all(&home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(&home)(error)),
            Ok(()) | Err(_) => {}
        }
        self.renew_platform(at)?;
        Ok(claims::deletion(&self.operator, &[account], at)?)
    }

    /// The tenants that have an account here.
    pub fn tenants(&self) -> Result<Vec<TenantName>, OperatorError> {
        let dir = self.dir.join("tenants");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file(&dir)(error)),
        };
        let mut tenants = Vec::new();
        for entry in entries {
            tenants.extend(entry.map_err(file(&dir))?.file_name().to_str().and_then(|name| name.parse().ok()));
        }
        tenants.sort();
        Ok(tenants)
    }

    fn renew_platform(&self, at: UnixMs) -> Result<(), OperatorError> {
        let tenants = self.tenants()?;
        self.write("platform.jwt", &claims::platform(&self.operator, &self.platform.public_key(), &tenants, at)?)
    }

    fn with_user(
        &self,
        tenant: &TenantName,
        account: &KeyPair,
        limits: &AccountLimits,
        revoked: &Map<String, Value>,
        at: UnixMs,
    ) -> Result<TenantAccount, OperatorError> {
        let user = KeyPair::new_user();
        let token = claims::tenants_user(account, (tenant, &user.public_key()), limits, at)?;
        let (creds, name) = (jwt::creds(&token, &self.seed(&user)?), self.named(tenant, &format!("{tenant}.creds")));
        let token = self.write_account(tenant, account, limits, revoked, at)?;
        self.write(&name, &creds)?;
        let creds = Some((creds, self.dir.join(name)));
        let has_streams = limits.has_streams();
        Ok(TenantAccount { account: account.public_key(), user: user.public_key(), token, has_streams, creds })
    }

    fn write_account(
        &self,
        tenant: &TenantName,
        account: &KeyPair,
        limits: &AccountLimits,
        revoked: &Map<String, Value>,
        at: UnixMs,
    ) -> Result<String, OperatorError> {
        let about = (tenant, account.public_key());
        let token = claims::account((&self.operator, &self.platform), (about.0, &about.1), limits, revoked, at)?;
        self.write(&self.named(tenant, "account.jwt"), &token)?;
        Ok(token)
    }

    /// A tenant's key, limits, and revocations with that of the user before.
    fn known(
        &self,
        tenant: &TenantName,
        before: &str,
        at: UnixMs,
    ) -> Result<(KeyPair, AccountLimits, Map<String, Value>), OperatorError> {
        let key = self.home(tenant).join("account.nk");
        if !key.exists() {
            return Err(OperatorError::NoAccount { dir: self.dir.clone(), tenant: tenant.clone() });
        }
        let account = read_key(&key, KeyPairType::Account)?;
        let said = jwt::read(&self.read(&self.named(tenant, "account.jwt"))?, &self.operator)?;
        let mut revoked = said.get("revocations").and_then(Value::as_object).cloned().unwrap_or_default();
        if !before.is_empty() {
            revoked.insert(before.to_owned(), (at.0 / 1_000).into());
        }
        let limits = serde_json::from_str(&self.read(&self.named(tenant, "limits.json"))?)
            .map_err(|error| JwtError::Unreadable(error.to_string()))?;
        Ok((account, limits, revoked))
    }

    fn home(&self, tenant: &TenantName) -> PathBuf {
        self.dir.join("tenants").join(tenant.as_str())
    }

    fn named(&self, tenant: &TenantName, name: &str) -> String {
        format!("tenants/{tenant}/{name}")
    }

    fn seed(&self, key: &KeyPair) -> Result<String, OperatorError> {
        key.seed().map_err(|error| OperatorError::Jwt(JwtError::Sign(error)))
    }

    fn write_key(&self, name: &str, key: &KeyPair) -> Result<(), OperatorError> {
        self.write(name, &self.seed(key)?)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, text: &str) -> Result<(), OperatorError> {
        let path = self.dir.join(name);
        write_private(&path, text.as_bytes()).map_err(file(&path))
    }

    fn read(&self, name: &str) -> Result<String, OperatorError> {
        read(&self.dir.join(name))
    }
}

fn limits_text(limits: &AccountLimits) -> String {
    serde_json::to_string(limits).unwrap_or_default()
}

fn lock(dir: &Path) -> Result<File, OperatorError> {
    let path = dir.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(file(&path))?;
    lock.lock().map_err(file(&path))?;
    Ok(lock)
}

fn read(path: &Path) -> Result<String, OperatorError> {
    let size = fs::metadata(path).map_err(file(path))?.len();
    if size > FILE_BYTES_MAX {
        return Err(file(path)(io::Error::new(io::ErrorKind::InvalidData, format!("{size} bytes are too many"))));
    }
    fs::read_to_string(path).map_err(file(path))
}

fn read_key(path: &Path, wanted: KeyPairType) -> Result<KeyPair, OperatorError> {
    let kind = kind_of(wanted.clone());
    let bad = || OperatorError::Key { path: path.to_owned(), kind };
    // the error of the library would tell the seed
    let key = KeyPair::from_seed(read(path)?.trim()).map_err(|_| bad())?;
    if kind_of(key.key_pair_type()) == kind { Ok(key) } else { Err(bad()) }
}
