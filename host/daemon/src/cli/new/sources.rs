//! The files that `lovage new` writes, as they were when this binary was built: the template and the SDK.

/// A path within a crate, and its text.
pub(super) type File = (&'static str, &'static str);

/// The template, with `{{…}}` to fill in.
pub(super) const TEMPLATE: &[File] = &[
    ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../../templates/rust/lib.rs.in")),
    ("tests/cases.toml", include_str!("../../../templates/rust/cases.toml.in")),
    ("tests/component.rs", include_str!("../../../templates/rust/component.rs.in")),
    ("README.md", include_str!("../../../templates/rust/README.md.in")),
    (".gitignore", include_str!("../../../templates/rust/gitignore.in")),
];

macro_rules! of_sdk {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../sdk/", $folder, "/", $path)))),*]
    };
}

/// The crate `lovage-task`, without its tests.
pub(super) const TASK: &[File] = of_sdk!("task":
    "Cargo.toml",
    "src/blobs.rs",
    "src/bytes.rs",
    "src/checkpoint.rs",
    "src/compile_fail.rs",
    "src/config.rs",
    "src/context.rs",
    "src/dispatch.rs",
    "src/error.rs",
    "src/guest.rs",
    "src/guest/storage.rs",
    "src/job.rs",
    "src/jobs.rs",
    "src/jobs/group.rs",
    "src/kv.rs",
    "src/lib.rs",
    "src/payload.rs",
    "src/registered.rs",
    "src/secrets.rs",
    "src/trace.rs",
    "wit/capabilities.wit",
    "wit/deps/blobstore/blobstore.wit",
    "wit/deps/blobstore/container.wit",
    "wit/deps/blobstore/types.wit",
    "wit/deps/config/store.wit",
    "wit/deps/io/io.wit",
    "wit/deps/keyvalue/atomics.wit",
    "wit/deps/keyvalue/batch.wit",
    "wit/deps/keyvalue/store.wit",
    "wit/task.wit",
);

/// The crate `lovage-task-macros`.
pub(super) const TASK_MACROS: &[File] = of_sdk!("task-macros":
    "Cargo.toml",
    "src/expand.rs",
    "src/lib.rs",
    "src/names.rs",
    "src/options.rs",
    "src/payload.rs",
    "src/signature.rs",
    "src/units.rs",
);
