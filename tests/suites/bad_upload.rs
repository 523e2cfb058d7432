//! Files that are no task: each is refused with its fault and what to do about it, and nothing of it is stored.

mod at_once;
mod costly;
mod files;
mod options;
mod program;
mod stored;

use std::path::Path;

use lovage_tests::Output;

use crate::small::Ground;

/// Where a push writes: the catalogue, and the components of tenant `default`.
const WRITTEN: [&str; 2] = ["KV_catalog", "OBJ_components-default"];

/// Pushes a file, which must be refused with each of these words, and must leave nothing behind.
#[track_caller]
fn refused(ground: &Ground, bytes: &[u8], options: &[&str], words: &[&str]) -> Output {
    refused_file(ground, &ground.file("bad.wasm", bytes), options, words)
}

#[track_caller]
fn refused_file(ground: &Ground, file: &Path, options: &[&str], words: &[&str]) -> Output {
    let before = writes(ground);
    let output = ground.cli.run(["push", file.to_str().unwrap()].iter().chain(options)).fails_with(2);
    assert_eq!(output.stdout, "", "data of a push that was refused");
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is not said:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    assert_eq!(writes(ground), before, "something was stored; only this was said:\n{}", output.stderr);
    output
}

/// How often each of the places was written to, removals included; 0 for one that is not there.
fn writes(ground: &Ground) -> [u64; 2] {
    // A runtime of its own, so that tests with and without one can ask.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let jetstream = ground.nats.jetstream().await;
                let mut writes = [0; 2];
                for (writes, stream) in writes.iter_mut().zip(WRITTEN) {
                    let stream = jetstream.get_stream(stream).await;
                    *writes = stream.map_or(0, |stream| stream.cached_info().state.last_sequence);
                }
                writes
            })
        });
        asked.join().unwrap()
    })
}
