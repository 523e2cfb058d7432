//! What tasks may put into buckets and containers: sizes, counts, and how the keys of guests become names on the broker.
//!
//! A key is the guest's own and may hold anything. What the broker sees of it is letters, digits, `-`, `_` and `=` alone,
//! so no key can be a wildcard, leave its bucket, or be taken for another.

/// The longest key of a bucket or name of a blob, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The largest value of a key, in bytes.
pub const VALUE_BYTES_MAX: usize = 256 << 10;
/// The most keys of one page.
pub const PAGE_KEYS_MAX: usize = 256;
/// The most keys of one call that takes several.
pub const BATCH_KEYS_MAX: usize = 256;
/// The largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 16 << 20;
/// The most blobs whose names are listed, over all containers of a tenant.
pub const BLOBS_LISTED_MAX: usize = 10_000;
/// What one attempt may ask of its capabilities, all of them together.
pub const ASKS_MAX: u32 = 10_000;
/// Bytes of a tenant's keys and values, where the operator says nothing.
pub const BUCKETS_BYTES_DEFAULT: u64 = 64 << 20;
/// Bytes of a tenant's blobs, where the operator says nothing.
pub const CONTAINERS_BYTES_DEFAULT: u64 = 1 << 30;

/// What cannot be put or asked for. The text names the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageLimit {
    /// The key is empty or too long.
    #[error("a key of {0} bytes is not between 1 and {KEY_BYTES_MAX}")]
    Key(usize),
    /// The value is too large.
    #[error("a value of {0} bytes is larger than {VALUE_BYTES_MAX}; keep it as a blob instead")]
    Value(usize),
    /// The blob is too large.
    #[error("a blob of {0} bytes is larger than {BLOB_BYTES_MAX}")]
    Blob(usize),
    /// Too many keys at once.
    #[error("{0} keys in one call are more than {BATCH_KEYS_MAX}")]
    Batch(usize),
    /// Too many calls.
    #[error("the attempt has used its capabilities {ASKS_MAX} times, which is the most")]
    Asks,
}

/// Checks a key of a bucket or the name of a blob.
pub fn check_key(key: &str) -> Result<(), StorageLimit> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => Err(StorageLimit::Key(bytes)),
    }
}

/// Checks the size of a value.
pub fn check_value(bytes: usize) -> Result<(), StorageLimit> {
    if bytes > VALUE_BYTES_MAX { Err(StorageLimit::Value(bytes)) } else { Ok(()) }
}

/// Checks the size of a blob.
pub fn check_blob(bytes: usize) -> Result<(), StorageLimit> {
    if bytes > BLOB_BYTES_MAX { Err(StorageLimit::Blob(bytes)) } else { Ok(()) }
}

/// Checks how many keys a call names.
pub fn check_batch(keys: usize) -> Result<(), StorageLimit> {
    if keys > BATCH_KEYS_MAX { Err(StorageLimit::Batch(keys)) } else { Ok(()) }
}

/// The sum of a stored number and `delta`. A number is decimal digits; a key without a value counts as 0.
pub fn sum(stored: Option<&[u8]>, delta: i64) -> Result<i64, String> {
    let number = match stored {
        None => 0,
        Some(bytes) => {
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 20);
            let number = text.and_then(|text| text.parse::<i64>().ok());
            number.ok_or_else(|| format!("its value of {} bytes is no whole number", bytes.len()))?
        }
    };
    number.checked_add(delta).ok_or_else(|| format!("{number} and {delta} do not fit into 64 bits together"))
}

/// A key as one token of a subject.
pub fn encoded(key: &str) -> String {
    let mut token = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => token.push(char::from(byte)),
            _ => token.push_str(&format!("={byte:02x}")),
        }
    }
    token
}

/// The key that [`encoded`] made a token of; nothing where it made none like this.
pub fn decoded(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'=' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    let key = String::from_utf8(bytes).ok()?;
    (encoded(&key) == token).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_checked_at_their_limits() {
        check_key("k").unwrap();
        check_key(&"k".repeat(KEY_BYTES_MAX)).unwrap();
        assert_eq!(check_key(""), Err(StorageLimit::Key(0)));
        assert_eq!(check_key(&"k".repeat(KEY_BYTES_MAX + 1)), Err(StorageLimit::Key(KEY_BYTES_MAX + 1)));
        check_value(VALUE_BYTES_MAX).unwrap();
        check_value(VALUE_BYTES_MAX + 1).unwrap_err();
        check_blob(BLOB_BYTES_MAX).unwrap();
        check_blob(BLOB_BYTES_MAX + 1).unwrap_err();
        check_batch(BATCH_KEYS_MAX).unwrap();
        check_batch(BATCH_KEYS_MAX + 1).unwrap_err();
    }

    #[test]
    fn numbers_add_up_or_say_why_not() {
        assert_eq!(sum(None, 3), Ok(3));
        assert_eq!(sum(Some(b"40"), -50), Ok(-10));
        assert_eq!(sum(Some(b"-9223372036854775808"), 1), Ok(i64::MIN + 1));
        assert!(sum(Some(b"9223372036854775807"), 1).unwrap_err().contains("64 bits"));
        for bad in [b"".as_slice(), b"1.5", b"\xff", b" 1", b"000000000000000000000001"] {
            assert!(sum(Some(bad), 1).unwrap_err().contains("no whole number"), "{bad:?}");
        }
    }

    #[test]
    fn hostile_keys_become_plain_tokens() {
        for key in ["..", "a.b", ">", "*", "\0", "a b", "=2e", "ä", "а", "a/b", "\r\n", "$KV.x"] {
            let token = encoded(key);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)), "{key:?}: {token}");
            assert_eq!(decoded(&token).as_deref(), Some(key));
        }
        assert_ne!(encoded("a"), encoded("а"), "a homoglyph is another key");
        for bad in ["=", "=2", "=zz", "=61", "=2E", ".", "=ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_reads_back_and_no_two_are_one(a: String, b: String) {
            prop_assert_eq!(decoded(&encoded(&a)), Some(a.clone()));
            prop_assert_eq!(encoded(&a) == encoded(&b), a == b);
        }
    }
}
