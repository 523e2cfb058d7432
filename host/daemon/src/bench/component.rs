//! The guest of the benchmark: the least work that a task can do.

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
