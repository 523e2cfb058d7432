//! Uploads that are hostile to whoever looks at them: H1 to H10, as far as `bad_upload` has them not already.

use std::fmt::Write as _;

use lovage_tests::Cli;

use super::arena::Arena;
use crate::small::{numbers, wasm};

/// How a component begins.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section with its length.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![id], content.len());
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes, content.to_vec()].concat()
}

/// Pushes what must be refused with each of these words, and must leave nothing in the catalogue.
#[track_caller]
fn refused(cli: &Cli, bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    std::fs::write(&file, bytes).unwrap();
    let before = cli.ok(["task", "list"]);
    let told = cli.run(["push", file.to_str().unwrap()]).fails_with(2);
    assert!(!told.stderr.contains("panicked") && told.stderr.len() < 4_000, "{}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "{word:?} is not said:\n{}", told.stderr);
    }
    assert_eq!(cli.ok(["task", "list"]), before, "a task of a component that was refused");
}

/// Does in the arena what blocks.
async fn in_turn(what: &str, uploads: impl FnOnce(&Cli) + Send + 'static) {
    let turn = Arena::turn(what).await;
    let cli = turn.arena.attacker();
    tokio::task::spawn_blocking(move || uploads(&cli)).await.unwrap();
    turn.end().await;
}

#[tokio::test]
async fn component_cut_at_the_edge_of_each_section_is_refused() {
    let whole = numbers(&[("answer", 1), ("other", 2)]);
    let edges = section_edges(&whole);
    assert!(edges.len() >= 6, "{edges:?}");
    in_turn("cut components", move |cli| {
        // Without the names at its end it is whole.
        for edge in edges.into_iter().filter(|edge| whole[*edge] != 0) {
            refused(cli, &whole[..edge], &["bad.wasm"]);
        }
    })
    .await;
}

/// Where the outer sections of a component begin.
fn section_edges(component: &[u8]) -> Vec<usize> {
    let (mut edges, mut place) = (Vec::new(), 8);
    while place < component.len() {
        edges.push(place);
        let (mut length, mut shift, mut at) = (0, 0, place + 1);
        loop {
            length |= usize::from(component[at] & 0x7f) << shift;
            (shift, at) = (shift + 7, at + 1);
            if component[at - 1] < 0x80 {
                break;
            }
        }
        place = at + length;
    }
    assert_eq!(place, component.len());
    edges
}

#[tokio::test]
async fn types_and_components_that_nest_or_multiply_are_refused() {
    in_turn("types that explode", |cli| {
        // Each type is a list of the one before it.
        let mut lists = "(type $t0 (list u16))".to_owned();
        (1..1_000).for_each(|depth| write!(lists, "(type $t{depth} (list $t{}))", depth - 1).unwrap());
        refused(cli, &taking(&lists, "$t999"), &["bad.wasm"]);
        // Each type is two of the one before it: 2^40 of the first.
        let mut pairs = "(type $t0 (tuple u16 u32))".to_owned();
        (1..40).for_each(|depth| write!(pairs, "(type $t{depth} (tuple $t{0} $t{0}))", depth - 1).unwrap());
        refused(cli, &taking(&pairs, "$t39"), &["bad.wasm"]);
        // Fewer than the validator minds, and still too many for us.
        let mut wide = "(type $t0 (tuple u16 u32))".to_owned();
        (1..16).for_each(|depth| write!(wide, "(type $t{depth} (tuple $t{0} $t{0}))", depth - 1).unwrap());
        refused(cli, &taking(&wide, "$t15"), &["bad.wasm"]);
        // Ten times ten times ten instances from a few lines.
        let ten = "(instance (instantiate $one))".repeat(10);
        let nested = format!(
            r#"(component
            (component $one (core module $e) (core instance (instantiate $e)))
            (component $ten (alias outer 1 $one (component $one)) {ten})
            (component $hundred (alias outer 1 $ten (component $one)) {ten})
            (component $thousand (alias outer 1 $hundred (component $one)) {ten})
            (instance (instantiate $thousand))
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#
        );
        refused(cli, &wasm(&nested), &["1001 core module instances"]);
        let deep = (0..1_000).fold(HEADER.to_vec(), |inner, _| [HEADER, &section(4, &inner)].concat());
        refused(cli, &deep, &["nested more than 16 deep"]);
    })
    .await;
}

/// A component with a function that takes a value of a type.
fn taking(types: &str, ty: &str) -> Vec<u8> {
    wasm(&format!(
        r#"(component
            {types}
            (core module $m
                (memory (export "memory") 1)
                (func (export "f") (param i32))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (type $taken (list {ty}))
            (func (export "f") (param "value" $taken)
                (canon lift (core func $i "g") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
    .replace(r#"(func (export "f") (param i32))"#, r#"(func (export "g") (param i32 i32))"#))
}

#[tokio::test]
async fn sections_that_lie_about_their_size_are_refused() {
    in_turn("sections that lie", |cli| {
        // A section, its length, and what is within: lengths and counts far beyond the file.
        let most = [0xff, 0xff, 0xff, 0xff, 0x0f];
        for id in 0..=13_u8 {
            let long = [HEADER, &[id], &most, &[1, 2, 3]].concat();
            refused(cli, &long, &["bad.wasm"]);
            let many = [HEADER, &[id, 6], &most, &[0]].concat();
            refused(cli, &many, &["bad.wasm"]);
        }
        // A module within a component that says it has 4 billion functions, imports, tables or data.
        for id in 1..=13_u8 {
            let module = [b"\0asm\x01\0\0\0".as_slice(), &[id, 6], &most, &[0]].concat();
            refused(cli, &[HEADER, &section(1, &module)].concat(), &["bad.wasm"]);
        }
    })
    .await;
}

#[tokio::test]
async fn names_of_exports_and_imports_that_attack_are_told_harmlessly() {
    in_turn("names that attack", |cli| {
        // Names of a component are checked by its format; those of a module may be anything.
        for name in [r"\1b[2J\1b]0;owned\07", r"..\2f..\2fetc\2fpasswd", r"\e2\80\aelaog\00", "lovage.victim.job.>"] {
            let module = wasm(&format!(r#"(module (import "{name}" "{name}" (func)) (func (export "_start")))"#));
            refused(cli, &module, &["bad.wasm"]);
            let exported = wasm(&format!(r#"(module (func (export "{name}")))"#));
            refused(cli, &exported, &["bad.wasm"]);
        }
        let many = (0..20_000).map(|n| format!(r#"(import "m{n}" "f" (func))"#)).collect::<String>();
        refused(cli, &wasm(&format!(r#"(module {many} (func (export "_start")))"#)), &["bad.wasm"]);
        let long = "x".repeat(90_000);
        refused(
            cli,
            &wasm(&format!(r#"(module (import "{long}" "f" (func)) (func (export "_start")))"#)),
            &["bad.wasm"],
        );
    })
    .await;
}

#[tokio::test]
async fn archives_of_components_are_never_unpacked() {
    in_turn("archives", |cli| {
        let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &[0x55; 64]].concat();
        let zstd = [b"\x28\xb5\x2f\xfd".as_slice(), &[0xff; 64]].concat();
        let tar = [b"bad.wasm".as_slice(), &[0; 504], b"ustar"].concat();
        refused(cli, &gzip, &["compressed by gzip; unpack it first"]);
        refused(cli, &zstd, &["compressed by zstd; unpack it first"]);
        refused(cli, &tar, &["bad.wasm"]);
    })
    .await;
}
