//! The copy of the contract in this crate is the contract itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn packaged_contract_is_that_of_the_repository() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut packaged, mut source) = (BTreeMap::new(), BTreeMap::new());
    read(&here.join("wit"), "", &mut packaged);
    read(&here.join("../../wit"), "", &mut source);
    assert!(source.contains_key("/task.wit"));
    assert_eq!(packaged, source, "copy the files of wit/ to sdk/task/wit/");
}

fn read(folder: &Path, prefix: &str, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => read(&entry.path(), &name, texts),
            false => drop(texts.insert(name, fs::read_to_string(entry.path()).unwrap_or_default())),
        }
    }
}
