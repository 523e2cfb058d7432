//! The inspection of what is pushed.

use crate::{
    inspect::check::{InspectOptions, inspect},
    told,
};
use lovage_job::schema::InputCheck;

/// What a component may be here, in bytes.
const SIZE_MAX: usize = 64 << 10;

pub(crate) fn run(bytes: &[u8]) {
    match inspect(bytes, &InspectOptions { size_max: SIZE_MAX, shape: None }) {
        Err(error) => told(&error),
        Ok(inspection) => {
            assert!(inspection.adapted || inspection.component == bytes);
            // What a type is told as can be used to check payloads.
            for export in &inspection.exports {
                assert!(InputCheck::new(&export.input).is_ok(), "{:?}", export.input);
                assert!(InputCheck::new(&export.output).is_ok(), "{:?}", export.output);
            }
        }
    }
}
