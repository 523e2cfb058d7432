//! Every input that fuzzing kept is read again, without the fuzzer.

use lovage_fuzz::TARGETS;
use lovage_tests::repository;
use std::fs;
use std::panic::catch_unwind;

#[test]
fn inputs_that_fuzzing_kept_break_no_rule() {
    let corpus = repository().join("host/fuzz/corpus");
    let folders = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<String> = folders.collect();
    folders.sort();
    let mut named = TARGETS.map(|target| target.name);
    named.sort_unstable();
    assert_eq!(folders, named, "each target has a folder, and each folder a target");
    for target in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(target.name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(catch_unwind(|| (target.run)(&bytes)).is_ok(), "{} breaks a rule", path.display());
            inputs += 1;
        }
        assert!(inputs > 0, "{} has no inputs", target.name);
    }
}
