//! The guests of the benchmark: the least work that a task can do, and one that keeps a core busy.

/// A component that exports `add: func(a: u32, b: u32) -> u32` and imports nothing.
const ADD: &str = r#"
(component
  (core module $m
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))
"#;

/// The component's bytes.
pub(super) fn add() -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(ADD)?)
}

/// As `ADD`, with the memory of a small guest of a compiler: both numbers go over it.
const ADD_IN_MEMORY: &str = r#"
(component
  (core module $m
    (memory 17)
    (func (export "add") (param i32 i32) (result i32)
      (i32.store (i32.const 1024) (local.get 0))
      (i32.store (i32.const 1048576) (local.get 1))
      (i32.add (i32.load (i32.const 1024)) (i32.load (i32.const 1048576)))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))
"#;

/// The component's bytes.
pub(super) fn add_in_memory() -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(ADD_IN_MEMORY)?)
}

/// Rounds of the busy loop: about 20 ms on a core of 2026.
const ROUNDS: u32 = 10_000_000;

/// A component that exports `burn: func()` and keeps a core busy.
pub(super) fn burn() -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(format!(
        r#"
(component
  (core module $m
    (func (export "burn") (local $left i32)
      (local.set $left (i32.const {ROUNDS}))
      (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
  (core instance $i (instantiate $m))
  (func (export "burn") (canon lift (core func $i "burn"))))
"#
    ))?)
}
