//! The copy of the contract in this crate is the contract itself.

use std::fs;
use std::path::Path;

#[test]
fn packaged_contract_is_that_of_the_repository() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packaged = fs::read_to_string(here.join("wit/task.wit"));
    let source = fs::read_to_string(here.join("../../wit/task.wit"));
    assert_eq!(packaged.ok(), source.ok(), "copy wit/task.wit to sdk/task/wit/task.wit");
}
