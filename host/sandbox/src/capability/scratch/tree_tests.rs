use super::change::Opening;
use super::folder::{Failed, Folder, Kept};
use super::node::{NodeId, ROOT};
use super::path::Path;
use super::space::{ENTRIES_MAX, ENTRY_BYTES, Refused};
use super::tree::{DEPTH_MAX, Tree};
use crate::attempt::budget::{MemoryBudget, PAGE_BYTES};
use lovage_job::unit::ByteSize;
use std::sync::Arc;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

const NEW: Opening = Opening { create: true, exclusive: true, truncate: false, folder: false, write: true };

fn folder_of(quota: u64) -> Folder {
    with_budget(quota, &MemoryBudget::new(2 << 30))
}

fn with_budget(quota: u64, budget: &Arc<MemoryBudget>) -> Folder {
    Folder::new(ByteSize(quota), budget.purse("one"), wasmtime_wasi::clocks::wall_clock())
}

fn path(text: &str) -> Path<'_> {
    Path::parse(text).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Refused>) -> ErrorCode {
    match result {
        Err(Refused::Code(code)) => code,
        other => panic!("{other:?}"),
    }
}

fn new_file(tree: &mut Tree, name: &str) -> NodeId {
    tree.open(ROOT, &path(name), NEW).unwrap()
}

fn rename(tree: &mut Tree, from: &str, to: &str) -> Result<(), Refused> {
    tree.rename((ROOT, &path(from)), (ROOT, &path(to)))
}

#[test]
fn a_file_fills_the_quota_to_the_byte() {
    // An entry, a name of one byte and two blocks.
    let quota = ENTRY_BYTES + 1 + 2 * 4096;
    let folder = folder_of(quota);
    let mut tree = folder.tree();
    let file = new_file(&mut tree, "f");
    tree.write(file, 0, &[7; 4096]).unwrap();
    tree.write(file, 4096, &[8; 4096]).unwrap();
    assert_eq!(tree.space.used(), quota);
    assert_eq!(code(tree.write(file, 8192, &[9])), ErrorCode::InsufficientSpace);
    assert_eq!(tree.status(file).unwrap().size, 8192);
    assert_eq!(code(tree.open(ROOT, &path("g"), NEW)), ErrorCode::InsufficientSpace);
    tree.resize(file, 4095).unwrap();
    assert_eq!(tree.space.used(), quota - 4096);
    assert_eq!(tree.space.peak(), quota);
    tree.append(file, &[1, 2]).unwrap();
    assert_eq!(tree.read(file, 4094, 10).unwrap(), (vec![7, 1, 2], true));
    drop(tree);
    let folder = folder_of(quota - 1);
    let mut tree = folder.tree();
    let file = new_file(&mut tree, "f");
    assert_eq!(code(tree.write(file, 0, &[7; 8192])), ErrorCode::InsufficientSpace);
    assert_eq!(tree.status(file).unwrap().size, 0);
}

#[test]
fn a_size_that_no_disk_has_is_refused_before_anything_is_set_aside() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    let file = new_file(&mut tree, "f");
    let used = tree.space.used();
    for size in [1 << 20, 1 << 40, 1 << 63, u64::MAX] {
        assert_eq!(code(tree.resize(file, size)), ErrorCode::InsufficientSpace, "{size}");
        assert_eq!(code(tree.write(file, size - 1, b"x")), ErrorCode::InsufficientSpace, "{size}");
    }
    assert_eq!(code(tree.write(file, u64::MAX, b"xx")), ErrorCode::FileTooLarge);
    assert_eq!((tree.space.used(), tree.status(file).unwrap().size), (used, 0));
    // A hole is read as zeros and counts as if it were there.
    tree.write(file, 100_000, b"x").unwrap();
    assert_eq!(tree.read(file, 99_998, 10).unwrap(), (vec![0, 0, b'x'], true));
    assert_eq!(tree.space.used(), used + 25 * 4096);
}

#[test]
fn empty_files_and_names_count_too() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    let made = (0..2000).take_while(|number| tree.open(ROOT, &path(&format!("{number:06}")), NEW).is_ok()).count();
    assert_eq!(made as u64, (1 << 20) / (ENTRY_BYTES + 6));
    // What is removed makes room.
    tree.remove_file(ROOT, &path("000000")).unwrap();
    new_file(&mut tree, "again");
    assert_eq!(code(tree.open(ROOT, &path("one more"), NEW)), ErrorCode::InsufficientSpace);
    let long = folder_of(1 << 20);
    let mut tree = long.tree();
    let made = (0..2000).take_while(|number| tree.open(ROOT, &path(&format!("{number:0255}")), NEW).is_ok()).count();
    assert_eq!(made as u64, (1 << 20) / (ENTRY_BYTES + 255));
}

#[test]
fn entries_are_counted_whatever_the_quota() {
    let folder = folder_of(1 << 30);
    let mut tree = folder.tree();
    for number in 0..ENTRIES_MAX {
        tree.make_folder(ROOT, &path(&number.to_string())).unwrap();
    }
    assert_eq!(code(tree.make_folder(ROOT, &path("more"))), ErrorCode::InsufficientSpace);
    tree.remove_folder(ROOT, &path("0")).unwrap();
    tree.make_folder(ROOT, &path("more")).unwrap();
}

#[test]
fn folders_are_deep_to_a_limit_also_by_renaming() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    let deep = |depth: usize, name: &str| vec![name; depth].join("/");
    for depth in 1..=DEPTH_MAX {
        tree.make_folder(ROOT, &path(&deep(depth, "d"))).unwrap();
    }
    assert_eq!(code(tree.make_folder(ROOT, &path(&deep(DEPTH_MAX + 1, "d")))), ErrorCode::NameTooLong);
    tree.make_folder(ROOT, &path("e")).unwrap();
    tree.make_folder(ROOT, &path("e/e")).unwrap();
    // Two levels fit below the last but two, and not below the last but one.
    let tight = format!("{}/x", deep(DEPTH_MAX - 1, "d"));
    assert_eq!(code(rename(&mut tree, "e", &tight)), ErrorCode::NameTooLong);
    let fits = format!("{}/x", deep(DEPTH_MAX - 2, "d"));
    rename(&mut tree, "e", &fits).unwrap();
    // Up is always possible.
    rename(&mut tree, &fits, "up").unwrap();
    assert!(tree.find(ROOT, &path("up/e")).is_ok());
}

#[test]
fn a_folder_never_comes_into_itself() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    for name in ["a", "a/b", "a/b/c"] {
        tree.make_folder(ROOT, &path(name)).unwrap();
    }
    for to in ["a/x", "a/b/x", "a/b/c/x", "a/b/c/"] {
        assert_eq!(code(rename(&mut tree, "a", to)), ErrorCode::Invalid, "{to}");
    }
    assert_eq!(code(rename(&mut tree, "a/b/c", "a")), ErrorCode::NotEmpty);
    rename(&mut tree, "a", "a").unwrap();
    assert_eq!(code(rename(&mut tree, ".", "b")), ErrorCode::Busy);
    let used = tree.space.used();
    for _ in 0..1000 {
        rename(&mut tree, "a/b", "z").unwrap();
        rename(&mut tree, "z", "a/b").unwrap();
    }
    assert_eq!(tree.space.used(), used);
}

#[test]
fn renaming_replaces_like_with_like() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    for name in ["d", "empty", "full"] {
        tree.make_folder(ROOT, &path(name)).unwrap();
    }
    let (one, two) = (new_file(&mut tree, "one"), new_file(&mut tree, "full/two"));
    tree.write(one, 0, b"1").unwrap();
    tree.write(two, 0, b"2").unwrap();
    assert_eq!(code(rename(&mut tree, "one", "d")), ErrorCode::IsDirectory);
    assert_eq!(code(rename(&mut tree, "d", "one")), ErrorCode::NotDirectory);
    assert_eq!(code(rename(&mut tree, "d", "full")), ErrorCode::NotEmpty);
    assert_eq!(code(rename(&mut tree, "one", "x/")), ErrorCode::NotDirectory);
    assert_eq!(code(rename(&mut tree, "none", "x")), ErrorCode::NoEntry);
    rename(&mut tree, "d", "empty").unwrap();
    let used = tree.space.used();
    rename(&mut tree, "one", "full/two").unwrap();
    assert_eq!(tree.space.used(), used - (ENTRY_BYTES + 3 + 4096));
    assert_eq!(tree.find(ROOT, &path("full/two")).unwrap(), one);
    assert_eq!(code(tree.write(two, 0, b"3")), ErrorCode::BadDescriptor);
}

#[test]
fn what_is_removed_lives_and_counts_while_it_is_open() {
    let folder = folder_of(1 << 20);
    let file = new_file(&mut folder.tree(), "f");
    let kept = Kept::new(&folder, file, &mut folder.tree());
    let other = kept.clone();
    let mut tree = folder.tree();
    tree.write(file, 0, b"still here").unwrap();
    tree.remove_file(ROOT, &path("f")).unwrap();
    assert_eq!(tree.find(ROOT, &path("f")), Err(ErrorCode::NoEntry));
    assert_eq!(tree.status(file).unwrap().links, 0);
    tree.append(file, b"!").unwrap();
    assert_eq!(tree.read(file, 0, 100).unwrap(), (b"still here!".to_vec(), true));
    assert_eq!(tree.space.used(), ENTRY_BYTES + 4096);
    let again = new_file(&mut tree, "f");
    assert_ne!(again, file);
    drop(tree);
    drop(kept);
    assert_eq!(folder.tree().space.used(), 2 * ENTRY_BYTES + 1 + 4096);
    drop(other);
    assert_eq!(folder.tree().space.used(), ENTRY_BYTES + 1);
}

#[test]
fn nothing_is_made_in_a_folder_that_is_gone() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    tree.make_folder(ROOT, &path("d")).unwrap();
    let gone = tree.find(ROOT, &path("d")).unwrap();
    let kept = Kept::new(&folder, gone, &mut tree);
    tree.remove_folder(ROOT, &path("d")).unwrap();
    assert_eq!(code(tree.make_folder(gone, &path("x"))), ErrorCode::NoEntry);
    assert_eq!(code(tree.open(gone, &path("x"), NEW)), ErrorCode::NoEntry);
    new_file(&mut tree, "f");
    assert_eq!(code(tree.rename((ROOT, &path("f")), (gone, &path("f")))), ErrorCode::NoEntry);
    drop(tree);
    drop(kept);
    assert_eq!(folder.tree().space.used(), ENTRY_BYTES + 1);
}

#[test]
fn what_is_opened_is_what_was_asked_for() {
    let folder = folder_of(1 << 20);
    let mut tree = folder.tree();
    tree.make_folder(ROOT, &path("d")).unwrap();
    let file = new_file(&mut tree, "f");
    tree.write(file, 0, b"12").unwrap();
    let mut open = |text: &str, how: Opening| match tree.open(ROOT, &path(text), how) {
        Ok(id) => Ok((id, tree.status(id).unwrap().size)),
        Err(Refused::Code(code)) => Err(code),
        Err(Refused::Short(_)) => panic!("the budget is large"),
    };
    let plain = Opening::default();
    assert_eq!(open("f", NEW), Err(ErrorCode::Exist));
    assert_eq!(open("d", Opening { create: true, ..plain }), Err(ErrorCode::IsDirectory));
    assert_eq!(open("d", Opening { write: true, ..plain }), Err(ErrorCode::IsDirectory));
    assert_eq!(open("f", Opening { folder: true, ..plain }), Err(ErrorCode::NotDirectory));
    assert_eq!(open("f/", plain), Err(ErrorCode::NotDirectory));
    assert_eq!(open("f/x", NEW), Err(ErrorCode::NotDirectory));
    assert_eq!(open("new/", NEW), Err(ErrorCode::IsDirectory));
    assert_eq!(open("none/new", NEW), Err(ErrorCode::NoEntry));
    assert_eq!(open("new", plain), Err(ErrorCode::NoEntry));
    assert_eq!(open("d", Opening { folder: true, create: true, ..plain }), Err(ErrorCode::Invalid));
    assert_eq!(open("d/../f", plain), Ok((file, 2)));
    assert_eq!(open("f", Opening { truncate: true, write: true, ..plain }), Ok((file, 0)));
    assert_eq!(open(".", Opening { folder: true, ..plain }).map(|(id, _)| id), Ok(ROOT));
}

#[test]
fn a_million_small_writes_cost_what_the_file_costs() {
    let budget = MemoryBudget::new(64 << 20);
    let free = budget.free_bytes();
    let folder = with_budget(2 << 20, &budget);
    let file = new_file(&mut folder.tree(), "f");
    for number in 0..1_000_000_u64 {
        folder.tree().write(file, number, b"x").unwrap();
    }
    assert_eq!(folder.tree().space.used(), ENTRY_BYTES + 1 + 245 * 4096);
    assert!(free - budget.free_bytes() <= (1 << 20) + 2 * PAGE_BYTES as u64);
    drop(folder);
    assert_eq!(budget.free_bytes(), free);
}

#[tokio::test(start_paused = true)]
async fn a_folder_draws_on_the_workers_memory_and_waits_for_it() {
    let budget = MemoryBudget::new(4 * PAGE_BYTES);
    let (one, two) = (with_budget(1 << 20, &budget), with_budget(1 << 20, &budget));
    let write = |folder: &Folder, size: usize| {
        let folder = folder.clone();
        async move {
            folder
                .perform(|tree| {
                    let id =
                        tree.open(ROOT, &path("f"), Opening { create: true, write: true, ..Opening::default() })?;
                    tree.write(id, 0, &vec![1; size])
                })
                .await
        }
    };
    write(&one, 3 * PAGE_BYTES - 5 * 4096).await.unwrap();
    assert_eq!(budget.free_bytes(), PAGE_BYTES as u64);
    // The quota of a folder is never more than the worker has: this is refused at once.
    assert!(matches!(write(&one, 5 * PAGE_BYTES).await, Err(Failed::Code(ErrorCode::InsufficientSpace))));
    assert!(matches!(write(&two, 2 * PAGE_BYTES).await, Err(Failed::Short)));
    let waiting = tokio::spawn(write(&two, 2 * PAGE_BYTES));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished() && two.waiting());
    drop(one);
    waiting.await.unwrap().unwrap();
    assert!(!two.waiting());
    drop(two);
    assert_eq!(budget.free_bytes(), 4 * PAGE_BYTES as u64);
}
