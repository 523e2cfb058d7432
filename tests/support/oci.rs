//! A real OCI registry of a test's own: Debian's docker-registry, on its own port and folder.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{WITHIN, eventually_blocking};

/// The user of a registry that wants to know who asks.
pub const REGISTRY_USER: &str = "tester";
/// That user's password.
pub const REGISTRY_PASSWORD: &str = "opensesame";
/// The password as bcrypt has it, at its cheapest.
const HASHED: &str = "$2b$04$mB7CaaIFdsjhTq6ya..j9.sKKnCcj.oTFCqnpQVqNHpZHRM027aVG";

/// Finds the registry's program: the one `LOVAGE_DOCKER_REGISTRY` names, or `docker-registry` on the path.
#[must_use]
pub fn find_registry() -> Option<PathBuf> {
    if let Some(path) = env::var_os("LOVAGE_DOCKER_REGISTRY").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths).map(|folder| folder.join("docker-registry")).find(|path| path.is_file())
}

/// A registry on loopback; it ends, and its folder goes, with the test.
#[derive(Debug)]
pub struct OciRegistry {
    child: Child,
    host: String,
    folder: TempDir,
}

impl OciRegistry {
    /// Starts a registry that everyone may use.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a registry that only [`REGISTRY_USER`] may use.
    #[must_use]
    pub fn with_login() -> Self {
        Self::start_with("auth: {htpasswd: {realm: tests, path: HTPASSWD}}\n")
    }

    /// Starts a registry over TLS, with a certificate and its key as files have them.
    #[must_use]
    pub fn secured((certificate, key): &(String, String)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file in a new folder");
            path.display().to_string()
        };
        let (certificate, key) = (place("certificate.pem", certificate), place("key.pem", key));
        Self::start_in(folder, &format!(", tls: {{certificate: {certificate}, key: {key}}}"), "")
    }

    fn start_with(auth: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), "", auth)
    }

    fn start_in(folder: TempDir, tls: &str, auth: &str) -> Self {
        let program = find_registry().expect(
            "there is no docker-registry: install it (apt-get install docker-registry), or name one in \
             LOVAGE_DOCKER_REGISTRY; `cargo verify` leaves these tests out without it",
        );
        let place = |name: &str| folder.path().join(name);
        fs::write(place("htpasswd"), format!("{REGISTRY_USER}:{HASHED}\n")).expect("a file in a new folder");
        let auth = auth.replace("HTPASSWD", place("htpasswd").to_str().expect("a plain name"));
        let store = place("store").display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {store}}}}}\n\
             http: {{addr: \"127.0.0.1:0\"{tls}}}\n{auth}"
        );
        fs::write(place("config.yml"), config).expect("a file in a new folder");
        let log = File::create(place("log")).expect("a file in a new folder");
        let mut command = Command::new(program);
        command.arg("serve").arg(place("config.yml")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut registry = Self { child, host: String::new(), folder };
        registry.host = eventually_blocking("the registry to listen", WITHIN, || registry.listens());
        registry
    }

    fn listens(&mut self) -> Result<String, String> {
        let ended = self.child.try_wait().expect("the state of an own child");
        let log = fs::read_to_string(self.folder.path().join("log")).expect("the file of an own child");
        assert!(ended.is_none(), "the registry ended: {log}");
        let place = log.split("listening on ").nth(1).and_then(|rest| rest.split(['"', ',']).next());
        place.map(str::to_owned).ok_or(log)
    }

    /// Returns `oci://HOST/REST`.
    #[must_use]
    pub fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host)
    }

    /// Returns its host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the file that a blob's bytes are in, to be tampered with.
    #[must_use]
    pub fn blob(&self, hex: &str) -> PathBuf {
        self.folder.path().join("store/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// Returns a folder that lives as long as the registry.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for OciRegistry {
    fn drop(&mut self) {
        // A panic here would hide the test's own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
