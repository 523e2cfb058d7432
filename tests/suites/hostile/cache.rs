//! Compiled code that somebody has put in the place of other code: H8 and H21, on the worker's disk.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use lovage_tests::{WITHIN, Worker};

use super::arena::{ATTACKER, VICTIM};
use crate::small::{Ground, job, number, numbers, run};

/// What is done to a folder of compiled components while no worker runs.
type Attack = fn(&Path);

/// The two compiled components of a folder, or their tags.
fn pair(cache: &Path, ending: &str) -> [PathBuf; 2] {
    let entries = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|is| is == ending)).collect();
    found.try_into().unwrap_or_else(|found| panic!("{found:?}"))
}

fn swap([one, two]: &[PathBuf; 2]) {
    let aside = one.with_extension("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(two, one).unwrap();
    fs::rename(&aside, two).unwrap();
}

#[tokio::test]
async fn compiled_code_that_was_swapped_or_changed_never_runs() {
    let ground = Ground::new();
    ground.push(VICTIM, &numbers(&[("answer", 1)]), &[]);
    ground.push(ATTACKER, &numbers(&[("answer", 666)]), &[]);
    let (victim, attacker) = (ground.client(VICTIM).await, ground.client(ATTACKER).await);
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let attacks: [(&str, Attack); 5] = [
        ("nothing", |_| ()),
        ("code swapped", |cache| swap(&pair(cache, "cwasm"))),
        ("code and tags swapped", |cache| {
            swap(&pair(cache, "cwasm"));
            swap(&pair(cache, "tag"));
        }),
        ("a byte flipped", |cache| {
            for path in pair(cache, "cwasm") {
                let mut code = fs::read(&path).unwrap();
                let middle = code.len() / 2;
                code[middle] ^= 1;
                fs::write(&path, code).unwrap();
            }
        }),
        ("cut", |cache| {
            for path in pair(cache, "cwasm") {
                fs::File::options().write(true).open(path).unwrap().set_len(100).unwrap();
            }
        }),
    ];
    for (what, attack) in attacks {
        if cache.is_dir() {
            attack(&cache);
        }
        let mut worker = Worker::of(&ground.nats).cache_dir(&cache).start();
        let (one, other) = tokio::join!(run(&victim, job("answer")), run(&attacker, job("answer")));
        assert_eq!((number(&one), number(&other)), (1, 666), "{what}");
        assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700, "others can write there");
        worker.sigterm();
        assert_eq!(worker.wait(WITHIN).code(), Some(0), "{what}");
    }
}
