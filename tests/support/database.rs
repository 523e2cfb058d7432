//! Databases for the history: SQLite in a file, and real servers of PostgreSQL and MariaDB, started once for all tests of
//! this process, each on its own port and folder.

use std::{
    env, fs,
    fs::File,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use lovage_history::{DatabaseUrl, Engine};
use sqlx::migrate::MigrateDatabase;
use tempfile::TempDir;

use crate::{WITHIN, end_with_this_process, eventually_blocking, keeper::run_folder};

/// The user that PostgreSQL runs as where the tests run as root, which it refuses.
const NOBODY: u32 = 65_534;

static POSTGRES: LazyLock<Mutex<Server>> = LazyLock::new(|| Mutex::new(Server::start(Engine::Postgres)));
static MARIADB: LazyLock<Mutex<Server>> = LazyLock::new(|| Mutex::new(Server::start(Engine::Mysql)));
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Finds the folder of PostgreSQL's programs: the one `LOVAGE_POSTGRES` names, that of `postgres` on the path, or where
/// Debian has it.
#[must_use]
pub fn find_postgres() -> Option<PathBuf> {
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    named("LOVAGE_POSTGRES")
        .or_else(|| on_path("postgres").into_iter().chain(debian).find(|bin| bin.join("initdb").is_file()))
}

/// Finds MariaDB's server: the one `LOVAGE_MARIADBD` names, or `mariadbd` on the path.
#[must_use]
pub fn find_mariadbd() -> Option<PathBuf> {
    let sbin = PathBuf::from("/usr/sbin");
    let found =
        || on_path("mariadbd").into_iter().chain([sbin]).map(|bin| bin.join("mariadbd")).find(|file| file.is_file());
    named("LOVAGE_MARIADBD").or_else(found)
}

fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn on_path(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| folder.join(program).is_file()).collect()
}

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    pub url: DatabaseUrl,
    /// The address with everything in it, for a command line.
    pub address: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// A new and empty database. The servers must be installed: `cargo verify` leaves these tests out where they are not.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let server = match engine {
            Engine::Sqlite => return Self::sqlite(),
            Engine::Postgres => &POSTGRES,
            Engine::Mysql => &MARIADB,
        };
        let name = format!("lovage_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let server = server.lock().unwrap_or_else(PoisonError::into_inner);
        server.database(&name)
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::at(format!("sqlite:{}", folder.path().join("history.db").display()), Some(folder))
    }

    fn at(address: String, folder: Option<TempDir>) -> Self {
        Self { url: address.parse().expect("an address of a database"), address, _folder: folder }
    }
}

/// A server of a test's own or of all tests, which can be killed and started again.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Child,
    owned: Option<TempDir>,
}

impl Server {
    /// A server of a test's own.
    #[must_use]
    pub fn own(engine: Engine) -> Self {
        let owned = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self::start_in(engine, owned.path().to_owned());
        server.owned = Some(owned);
        server
    }

    fn start(engine: Engine) -> Self {
        let server = Self::start_in(engine, run_folder().join(engine.as_str()));
        end_with_this_process(server.child.id());
        server
    }

    fn start_in(engine: Engine, folder: PathBuf) -> Self {
        let programs = match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::Postgres => find_postgres()
                .expect("no PostgreSQL: install postgresql, or name its programs' folder in LOVAGE_POSTGRES"),
            Engine::Mysql => {
                find_mariadbd().expect("no MariaDB: install mariadb-server, or name its server in LOVAGE_MARIADBD")
            }
        };
        fs::create_dir_all(&folder).expect("a new folder");
        let port = free_port();
        prepare(engine, &programs, &folder);
        let child = spawn(engine, &programs, &folder, port);
        let mut server = Self { engine, programs, folder, port, child, owned: None };
        server.answers();
        server
    }

    fn answers(&mut self) {
        let (engine, port) = (self.engine, self.port);
        eventually_blocking(&format!("{engine} to answer"), WITHIN, || {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(self.child.try_wait().expect("an own child").is_none(), "{engine} ended: {log}");
            match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) if said_ready(engine, &log) => Ok(()),
                _ => Err(log),
            }
        });
    }

    /// Makes an empty database.
    #[must_use]
    pub fn database(&self, name: &str) -> Database {
        self.create(name);
        Database::at(self.address(name), None)
    }

    fn create(&self, name: &str) {
        let address = self.address(name);
        // a test may run inside a runtime, and must not block in it
        let made = std::thread::spawn(move || {
            sqlx::any::install_default_drivers();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(sqlx::Any::create_database(&address)).unwrap_or_else(|error| panic!("{address}: {error}"));
        });
        made.join().expect("a thread that makes a database");
    }

    /// Returns the address of a database.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        let scheme = self.engine.as_str();
        format!("{scheme}://root@127.0.0.1:{}/{name}", self.port)
    }

    /// Kills the server as a crash would.
    pub fn kill9(&mut self) {
        self.child.kill().expect("an own child can be killed");
        self.child.wait().expect("the end of an own child");
    }

    /// Starts the server again, where it was.
    pub fn restart(&mut self) {
        self.child = spawn(self.engine, &self.programs, &self.folder, self.port);
        self.answers();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Makes the files of a server.
fn prepare(engine: Engine, programs: &Path, folder: &Path) {
    let data = folder.join("data");
    let mut command = match engine {
        Engine::Sqlite => return,
        Engine::Postgres => {
            open_to_nobody(folder);
            let mut command = as_nobody(programs.join("initdb"));
            command.args(["--no-sync", "--auth=trust", "--username=root", "--encoding=UTF8", "--locale=C", "-D"]);
            command.arg(&data);
            command
        }
        Engine::Mysql => {
            let base = programs.ancestors().nth(2).expect("a program lies in a folder");
            let mut command = Command::new(base.join("bin/mariadb-install-db"));
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
            command.arg(format!("--basedir={}", base.display())).arg(format!("--datadir={}", data.display()));
            command.args(user());
            command
        }
    };
    let made = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
}

fn spawn(engine: Engine, programs: &Path, folder: &Path, port: u16) -> Child {
    let data = folder.join("data");
    let mut command = match engine {
        Engine::Sqlite => panic!("SQLite has no server"),
        Engine::Postgres => {
            let mut command = as_nobody(programs.join("postgres"));
            command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
            command.args(["-c", "fsync=off", "-c", "max_connections=300"]);
            command
        }
        Engine::Mysql => {
            let mut command = Command::new(programs);
            command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).args(user());
            command.args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]);
            command.args([format!("--port={port}"), format!("--socket={}", folder.join("s").display())]);
            command.arg(format!("--pid-file={}", folder.join("pid").display()));
            command
        }
    };
    let log = File::create(folder.join("log")).expect("a file in a new folder");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn said_ready(engine: Engine, log: &str) -> bool {
    log.contains(match engine {
        Engine::Sqlite | Engine::Postgres => "ready to accept connections",
        Engine::Mysql => "ready for connections",
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// MariaDB wants to be told that it may run as root.
fn user() -> Option<&'static str> {
    is_root().then_some("--user=root")
}

/// PostgreSQL does not run as root at all.
fn as_nobody(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

/// Gives a folder to the user that PostgreSQL runs as, and lets that user through to it.
fn open_to_nobody(folder: &Path) {
    if !is_root() {
        return;
    }
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may do that");
    for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(run_folder())) {
        fs::set_permissions(above, fs::Permissions::from_mode(0o711)).expect("root may do that");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A panic here would hide the test's own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
