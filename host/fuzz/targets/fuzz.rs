//! One program for all targets: `LOVAGE_FUZZ_TARGET` names the one to run, the arguments are libFuzzer's.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<lovage_fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("LOVAGE_FUZZ_TARGET").unwrap_or_default();
    lovage_fuzz::target(&name).unwrap_or_else(|| panic!("LOVAGE_FUZZ_TARGET={name:?} names no target"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
