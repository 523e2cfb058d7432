//! A core module of WASI preview 1, as many tool chains still make them.

use lovage_tests::{Worker, shared_cache};

use crate::small::{Ground, wasm};

#[test]
fn program_of_preview_1_is_adapted_and_runs() {
    let ground = Ground::new();
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    for (name, code, exit) in [("good-program", 0, 0), ("bad-program", 3, 1)] {
        let file = ground.file("program.wasm", &program(code));
        let pushed = ground.cli.run(["push", file.to_str().unwrap(), "--name", name, "--json"]).ok();
        assert!(pushed.stderr.contains("adapted a core module of WASI preview 1"), "{}", pushed.stderr);
        assert_eq!(pushed.json()[0]["adapted"], true, "{}", pushed.stdout);
        let ended = ground.cli.run(["submit", name, "--retries", "0", "--wait"]).fails_with(exit);
        assert_eq!(ended.stdout, if code == 0 { "hello from preview 1\n" } else { "" }, "{}", ended.stderr);
        // WASI 0.2 knows failure, not its number.
        assert!(code == 0 || ended.stderr.contains("exited with status 1"), "{}", ended.stderr);
    }
}

/// Writes a line to standard output and exits.
fn program(code: i32) -> Vec<u8> {
    let line = r"hello from preview 1\n";
    let length = line.len() - 1;
    wasm(&format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{line}")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (call $exit (i32.const {code}))
                unreachable))"#
    ))
}
