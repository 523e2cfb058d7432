//! The environment in which a test runs the binary: nothing of the person who runs the tests reaches it.

use std::{path::Path, process::Command};

use crate::Nats;

/// Variables that change what `lovage` does, and that a test sets itself where it means to.
const FOREIGN: [&str; 17] = [
    "DOCKER_CONFIG",
    "LOVAGE_CACHE",
    "LOVAGE_LOG",
    "LOVAGE_TENANT",
    "NATS_CONTEXT",
    "NATS_CREDS",
    "NATS_INBOX_PREFIX",
    "NATS_PASSWORD",
    "NATS_URL",
    "NATS_USER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_SDK_DISABLED",
    "RUST_LOG",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TRACEPARENT",
];

/// Takes the person's settings for `lovage` out of the command's environment; a person's caches stay in use.
pub fn without_settings(command: &mut Command) {
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
}

/// Cuts the command off from the person's settings; saved contexts and caches are looked for in `home`.
pub(crate) fn isolate(command: &mut Command, home: &Path) {
    without_settings(command);
    for (name, folder) in [("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data")] {
        command.env(name, home.join(folder));
    }
    // docker's own settings are looked for there, too
    command.env("HOME", home);
    command.env("LOVAGE_NATS_SERVER", &Nats::binary().path);
}
