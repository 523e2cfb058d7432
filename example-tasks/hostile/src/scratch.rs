//! Tasks that use, and misuse, the scratch folder that they may be granted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use lovage_task::{Job, TaskError, payload, task};

/// Where the folder is.
const FOLDER: &str = "/scratch";
/// The error of a folder that is not empty; the standard library has no kind for it on this target.
const ENOTEMPTY: i32 = 55;

#[payload]
struct Misuse {
    /// `file`, `files`, `folders`, `names`, `small`, `sparse`, `loop` or `away`.
    how: String,
    /// Where to stop; where absent, at the first refusal.
    count: Option<u64>,
}

#[payload]
struct Used {
    /// How often it went well.
    done: u64,
    /// Why it ended, where it was not the bound.
    refusal: Option<String>,
    /// What was in the folder afterwards.
    left: u64,
}

/// Fills the folder in one way until it is refused or the bound is reached; what comes after a refusal must work.
#[task]
fn misuse(input: Misuse) -> Result<Used, TaskError> {
    let root = Path::new(FOLDER);
    let mut file = None;
    let mut folder = root.to_owned();
    let mut step = |number: u64| -> io::Result<()> {
        match input.how.as_str() {
            "file" => opened(&mut file, "big")?.write_all(&[b'x'; 4096]),
            "files" => File::create(root.join(number.to_string())).map(drop),
            "names" => File::create(root.join(format!("{number:0255}"))).map(drop),
            "folders" => {
                folder.push("d");
                fs::create_dir(&folder)
            }
            "small" => opened(&mut file, "small")?.write_all(b"x"),
            "sparse" => opened(&mut file, "sparse")?.set_len(1 << number.min(63)),
            "loop" => {
                let inner = root.join("a/b");
                fs::create_dir_all(&inner)?;
                fs::rename(root.join("a"), inner.join("c"))
            }
            "away" => File::open(root.join("../".repeat(number as usize + 1)).join("etc/passwd")).map(drop),
            other => Err(io::Error::other(format!("{other:?} is no way to misuse a folder"))),
        }
    };
    let mut done = 0;
    let mut refusal = None;
    while input.count.is_none_or(|count| done < count) {
        if let Err(error) = step(done) {
            refusal = Some(format!("{:?}: {error}", error.kind()));
            break;
        }
        done += 1;
    }
    drop(file);
    let left = fs::read_dir(root)?.count() as u64;
    clear(root)?;
    fs::write(root.join("after"), "it is usable")?;
    Ok(Used { done, refusal, left })
}

fn opened<'f>(file: &'f mut Option<File>, name: &str) -> io::Result<&'f mut File> {
    if file.is_none() {
        *file = Some(File::create(Path::new(FOLDER).join(name))?);
    }
    file.as_mut().ok_or_else(|| ErrorKind::Other.into())
}

/// Removes what is in a folder, without recursion: it may be deep.
fn clear(root: &Path) -> io::Result<()> {
    let mut left = vec![root.to_owned()];
    let mut folders: Vec<PathBuf> = Vec::new();
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => left.push(entry.path()),
                false => fs::remove_file(entry.path())?,
            }
        }
        folders.push(folder);
    }
    folders.iter().skip(1).rev().try_for_each(fs::remove_dir)
}

/// Does with files what programs do, and fails at the first surprise.
#[task]
fn files() -> Result<Vec<String>, TaskError> {
    let root = Path::new(FOLDER);
    let mut steps = Vec::new();
    let mut check = |name: &str, well: bool| match well {
        true => {
            steps.push(name.to_owned());
            Ok(())
        }
        false => Err(TaskError::permanent(format!("{name} went wrong"))),
    };
    check("empty", fs::read_dir(root)?.next().is_none())?;
    fs::create_dir_all(root.join("a/b/c"))?;
    fs::write(root.join("a/b/c/f"), "hello")?;
    check("write", fs::read_to_string(root.join("a/b/c/f"))? == "hello")?;
    let mut file = OpenOptions::new().append(true).open(root.join("a/b/c/f"))?;
    file.write_all(b", ")?;
    file.write_all(b"world")?;
    check("append", fs::read(root.join("a/../a/b/./c/f"))? == b"hello, world")?;
    let mut file = OpenOptions::new().read(true).write(true).open(root.join("a/b/c/f"))?;
    file.seek(SeekFrom::End(-5))?;
    file.write_all(b"W")?;
    file.seek(SeekFrom::Start(6))?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    check("seek", rest == " World")?;
    file.set_len(5)?;
    check("truncate", file.metadata()?.len() == 5)?;
    let exists = File::create_new(root.join("a/b/c/f")).map_err(|error| error.kind());
    check("create new", exists.is_err_and(|kind| kind == ErrorKind::AlreadyExists))?;
    fs::rename(root.join("a/b/c/f"), root.join("g"))?;
    check("rename", fs::metadata(root.join("g"))?.is_file() && !root.join("a/b/c/f").exists())?;
    check("modified", fs::metadata(root.join("g"))?.modified()?.elapsed().is_ok_and(|since| since.as_secs() < 3600))?;
    fs::copy(root.join("g"), root.join("h"))?;
    let mut names: Vec<_> =
        fs::read_dir(root)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    check("list", names == ["a", "g", "h"])?;
    let mut open = File::open(root.join("h"))?;
    fs::remove_file(root.join("h"))?;
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    check("removed while open", text == "hello" && !root.join("h").exists())?;
    let many: Vec<File> = (0..50).map(|_| File::open(root.join("g"))).collect::<Result<_, _>>()?;
    let all = many.iter().all(|mut file| io::read_to_string(&mut file).is_ok_and(|text| text == "hello"));
    check("many handles", all)?;
    let full = fs::remove_dir(root.join("a")).map_err(|error| error.raw_os_error());
    check("not empty", full.is_err_and(|code| code == Some(ENOTEMPTY)))?;
    fs::remove_dir_all(root.join("a"))?;
    check("remove all", !root.join("a").exists())?;
    check("TMPDIR", std::env::var("TMPDIR").is_ok_and(|folder| folder == FOLDER))?;
    Ok(steps)
}

#[payload]
struct Leave {
    /// The first attempt that succeeds; none does where absent.
    succeed_on: Option<u32>,
}

/// Tells what it finds in the folder, leaves a file there, and fails retryably until the given attempt.
#[task]
fn leave_behind(job: &Job, input: Leave) -> Result<Vec<String>, TaskError> {
    let root = Path::new(FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    fs::write(root.join(format!("{}-{}", job.id, job.attempt)), vec![1; 100_000])?;
    if input.succeed_on.is_none_or(|attempt| job.attempt < attempt) {
        return Err(TaskError::retry("not yet").with_details(&found));
    }
    Ok(found)
}
