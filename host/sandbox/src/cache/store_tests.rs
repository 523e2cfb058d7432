use super::*;
use std::os::unix::fs::PermissionsExt;

fn cache() -> (tempfile::TempDir, ArtifactCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::open(folder.path().join("cache")).unwrap();
    (folder, cache)
}

fn reopened(cache: &ArtifactCache) -> ArtifactCache {
    ArtifactCache::open(&cache.0.path).unwrap()
}

#[test]
fn what_is_put_is_found_again_by_another_process() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"component");
    assert!(cache.get(&digest).unwrap().is_none());
    let put = cache.put(&digest, b"code").unwrap();
    let found = reopened(&cache).get(&digest).unwrap().unwrap();
    assert_eq!(found.path(), put.path());
    assert_eq!(fs::read(found.path()).unwrap(), b"code");
    cache.remove(&digest).unwrap();
    assert!(cache.get(&digest).unwrap().is_none());
    assert!(matches!(found.verify(), Err(CacheError::Missing { .. })));
}

#[test]
fn changed_code_is_removed_and_never_handed_out() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"component");
    let artifact = cache.put(&digest, b"code").unwrap();
    artifact.verify().unwrap();
    fs::write(artifact.path(), b"evil").unwrap();
    assert!(matches!(artifact.verify(), Err(CacheError::Tampered { .. })));
    assert!(reopened(&cache).get(&digest).unwrap().is_none());
    assert!(!artifact.path().exists());
}

#[test]
fn code_of_another_component_does_not_pass() {
    let (_folder, cache) = cache();
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let (first, second) = (cache.put(&one, b"code one").unwrap(), cache.put(&two, b"code two").unwrap());
    fs::copy(first.path(), second.path()).unwrap();
    fs::copy(first.tag_path(), second.tag_path()).unwrap();
    assert!(reopened(&cache).get(&two).unwrap().is_none());
    assert!(cache.get(&one).unwrap().is_some());
}

#[test]
fn code_without_a_tag_does_not_exist() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"component");
    let artifact = cache.put(&digest, b"code").unwrap();
    for broken in ["", "zz", "00"] {
        fs::write(artifact.tag_path(), broken).unwrap();
        assert!(reopened(&cache).get(&digest).unwrap().is_none(), "{broken:?}");
        cache.put(&digest, b"code").unwrap();
    }
    fs::remove_file(artifact.tag_path()).unwrap();
    assert!(reopened(&cache).get(&digest).unwrap().is_none());
}

#[test]
fn folders_that_others_may_write_are_refused() {
    let (_folder, cache) = cache();
    let path = cache.0.path.clone();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    for mode in [0o770, 0o702, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(ArtifactCache::open(&path), Err(CacheError::Unsafe { .. })), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(path.join("secret.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(ArtifactCache::open(&path), Err(CacheError::Unsafe { .. })));
}

#[test]
fn the_least_recently_used_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::open_with_size(folder.path().join("cache"), ByteSize(250)).unwrap();
    let digests: Vec<_> = (0..3u8).map(|n| Digest::of(&[n])).collect();
    let old = SystemTime::now() - std::time::Duration::from_secs(3600);
    for digest in &digests[..2] {
        let artifact = cache.put(digest, &[0; 100]).unwrap();
        File::open(artifact.tag_path()).unwrap().set_modified(old).unwrap();
    }
    cache.get(&digests[0]).unwrap().unwrap();
    cache.put(&digests[2], &[0; 100]).unwrap();
    let left: Vec<_> = digests.iter().map(|digest| cache.get(digest).unwrap().is_some()).collect();
    assert_eq!(left, [true, false, true]);
}

#[test]
fn the_secret_does_not_show() {
    let (_folder, cache) = cache();
    assert!(format!("{cache:?}").contains("seal: Seal,"));
}
