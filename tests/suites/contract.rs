//! The contract with guests is stated once, in `wit/`; packages that are published alone carry exact copies.

use std::{collections::BTreeMap, fs, path::Path};

use lovage_tests::repository;

/// Folders that must equal `wit/`.
const COPIES: [&str; 1] = ["sdk/task/wit"];

#[test]
fn copies_of_the_contract_equal_it() {
    let contract = texts(&repository().join("wit"));
    assert!(contract.contains_key("task.wit"), "the contract lies in wit/task.wit");
    for copy in COPIES {
        assert_eq!(texts(&repository().join(copy)), contract, "{copy} differs from wit/; copy the changed file over");
    }
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            texts.extend(self::texts(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            texts.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    texts
}
