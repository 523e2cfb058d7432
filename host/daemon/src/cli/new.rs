//! `lovage new`: a Rust crate with one task, which builds as it is.

mod sources;

use super::{Exit, Failure, Output};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Write a Rust crate with one task.
///
/// The crate builds as it is: the SDK is written into it, since it is on no registry.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The name of the crate and its task.
    #[arg(value_parser = crate_name)]
    name: String,
    /// Where to write it; a folder that is empty or not there [default: ./NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const NAME_RULE: &str = "use 1 to 32 characters of a-z, 0-9 and single '-' in between, starting with a letter";
/// What Rust or Cargo does not take as the name of a crate and its function, or what the crate's own parts are called.
const TAKEN: &str = "abstract alloc as async await become box break build const continue core crate deps do dyn else enum \
     extern false final fn for gen if impl in let loop lovage-task lovage-task-macros macro match mod move mut override \
     payload priv proc-macro progress pub ref return self serde-json static std struct super task test tests trait true \
     try type typeof unsafe use virtual where while yield";

/// Reads a name that is a crate, a function and a task alike.
fn crate_name(text: &str) -> Result<String, String> {
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    if text.len() > 32 || !starts_well || !text.split('-').all(letters) {
        return Err(NAME_RULE.to_owned());
    }
    if TAKEN.split(' ').any(|taken| taken == text) {
        return Err(format!("{text} means something in Rust or in the crate already; use another name"));
    }
    Ok(text.to_owned())
}

pub(super) fn main(args: &NewArgs, output: Output) -> Result<Exit, Failure> {
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    check_free(&folder)?;
    let files = files(&args.name);
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    if output.json {
        let names: Vec<_> = files.iter().map(|(path, _)| path).collect();
        return output.value(&json!({"name": args.name, "dir": folder, "files": names})).map(|()| Exit::Done);
    }
    next_steps(&args.name, &folder, output)
}

/// A folder with files in it is somebody's work.
fn check_free(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let message = format!("{} is there already and not empty; nothing was written", folder.display());
            Err(Failure::new(Exit::Usage, message).hint("choose another name, or another folder with --dir"))
        }
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(Exit::Usage, format!("{}: {error}", folder.display()))),
    }
}

/// Every file of the crate, relative to its folder.
fn files(name: &str) -> Vec<(String, String)> {
    let snake = name.replace('-', "_");
    let filled = |text: &str| {
        let text = text.replace("{{name}}", name).replace("{{function}}", &snake).replace("{{file}}", &snake);
        text.replace("{{version}}", env!("CARGO_PKG_VERSION"))
    };
    let mut files: Vec<_> = sources::TEMPLATE.iter().map(|(path, text)| ((*path).to_owned(), filled(text))).collect();
    for (krate, sources) in [("lovage-task", sources::TASK), ("lovage-task-macros", sources::TASK_MACROS)] {
        files.extend(sources.iter().map(|(path, text)| (format!("vendor/{krate}/{path}"), beside(text))));
    }
    files
}

/// In `vendor`, the crates lie side by side under their full names.
fn beside(text: &str) -> String {
    text.replace("path = \"../task-macros\"", "path = \"../lovage-task-macros\"")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| Failure::new(Exit::Host, format!("{}: {error}", path.display())))
}

fn next_steps(name: &str, folder: &Path, output: Output) -> Result<Exit, Failure> {
    let component = format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_"));
    output.note(&format!("wrote {}; its task is in src/lib.rs. Next:\n", folder.display()));
    output.line(&format!("  cd {}", folder.display()))?;
    output.line("  cargo build --release --target wasm32-wasip2")?;
    output.line("  lovage test")?;
    output.line(&format!("  lovage run {component} '{{\"name\": \"Ada\"}}'"))?;
    output.line(&format!("  lovage push {component}"))?;
    output.line(&format!("  lovage submit {name} '{{\"name\": \"Ada\"}}' --wait"))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_that_are_no_crate_are_refused_with_the_rule() {
        for good in ["a", "resize", "word-stats", "a1-2b", &"a".repeat(32)] {
            assert_eq!(crate_name(good).as_deref(), Ok(good));
        }
        let long = "a".repeat(33);
        for bad in ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a/b", "..", "a b", "*", "é", "a\r\n", &long] {
            assert_eq!(crate_name(bad), Err(NAME_RULE.to_owned()), "{bad:?}");
        }
        for taken in ["match", "std", "lovage-task", "test", "yield", "task"] {
            assert!(crate_name(taken).is_err(), "{taken}");
        }
    }

    /// Files under `folder`, relative to it.
    fn on_disk(folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::from(["Cargo.toml".to_owned()]);
        for part in ["src", "wit"].map(|part| folder.join(part)).iter().filter(|part| part.is_dir()) {
            let mut folders = vec![part.clone()];
            while let Some(inner) = folders.pop() {
                for entry in fs::read_dir(inner).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
                    }
                }
            }
        }
        found
    }

    #[test]
    fn the_embedded_sdk_is_the_whole_sdk() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
        for (folder, listed) in [("task", sources::TASK), ("task-macros", sources::TASK_MACROS)] {
            let listed: BTreeSet<_> = listed.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(listed, on_disk(&sdk.join(folder)), "sdk/{folder} and cli/new/sources.rs differ");
        }
    }

    /// The new crate is the workspace of the SDK's manifests, so it must have all that they take from it.
    #[test]
    fn the_new_crate_has_all_that_the_sdk_inherits() {
        let files = files("demo");
        let text = |path: &str| files.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone()).unwrap();
        let root: toml::Table = text("Cargo.toml").parse().unwrap();
        let workspace = root["workspace"].as_table().unwrap();
        assert!(workspace["lints"].is_table());
        for krate in ["lovage-task", "lovage-task-macros"] {
            let manifest: toml::Table = text(&format!("vendor/{krate}/Cargo.toml")).parse().unwrap();
            for (table, of) in [("package", "package"), ("dependencies", "dependencies")] {
                for (key, value) in manifest[table].as_table().unwrap() {
                    if value.get("workspace").is_some() {
                        assert!(workspace[of].get(key).is_some(), "{krate} inherits {table}.{key}");
                    }
                    let path = value.get("path").and_then(toml::Value::as_str);
                    assert!(path.is_none_or(|path| path == "../lovage-task-macros"), "{krate}: {path:?}");
                }
            }
        }
        assert!(!files.iter().any(|(path, text)| !path.starts_with("vendor") && text.contains("{{")));
    }

    #[test]
    fn a_folder_with_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        check_free(folder.path()).unwrap();
        check_free(&folder.path().join("not/there")).unwrap();
        fs::write(folder.path().join("x"), "").unwrap();
        assert_eq!(check_free(folder.path()).unwrap_err().exit, Exit::Usage);
        assert_eq!(check_free(&folder.path().join("x")).unwrap_err().exit, Exit::Usage);
    }
}
