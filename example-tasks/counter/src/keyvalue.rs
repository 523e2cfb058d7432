//! Does to a bucket what it is told: each function of the interface, with any key.

use lovage_task::{TaskError, kv, payload, task};

#[payload]
#[derive(Clone, Copy)]
enum Act {
    Get,
    Set,
    Delete,
    Exists,
    Keys,
    Increment,
    /// Puts the text behind what is there, by compare-and-swap.
    Append,
}

#[payload]
struct Order {
    bucket: String,
    act: Act,
    key: Option<String>,
    value: Option<String>,
}

/// Does one thing to a bucket and tells what came of it.
#[task]
fn keyvalue(order: Order) -> Result<Vec<String>, TaskError> {
    let bucket = kv::open(&order.bucket).map_err(TaskError::permanent)?;
    act(&bucket, &order).map_err(TaskError::permanent)
}

fn act(bucket: &kv::Bucket, order: &Order) -> Result<Vec<String>, kv::KvError> {
    let key = order.key.as_deref().unwrap_or_default();
    let value = order.value.clone().unwrap_or_default();
    Ok(match order.act {
        Act::Get => bucket.get(key)?.into_iter().collect(),
        Act::Set => {
            bucket.set(key, &value)?;
            Vec::new()
        }
        Act::Delete => {
            bucket.delete(key)?;
            Vec::new()
        }
        Act::Exists => vec![bucket.exists(key)?.to_string()],
        Act::Keys => bucket.keys()?,
        Act::Increment => vec![bucket.increment(key, value.parse().unwrap_or(1))?.to_string()],
        Act::Append => {
            let appended = bucket.update(key, |before: Option<String>| before.unwrap_or_default() + &value)?;
            vec![appended]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(act: Act, value: &str) -> Option<Vec<String>> {
        let (bucket, key) = ("b".to_owned(), Some("k".to_owned()));
        keyvalue(Order { bucket, act, key, value: Some(value.to_owned()) }).ok()
    }

    #[test]
    fn each_act_does_what_it_says() {
        assert_eq!(order(Act::Get, ""), Some(vec![]));
        assert_eq!(order(Act::Set, "x"), Some(vec![]));
        assert_eq!(order(Act::Append, "y"), Some(vec!["xy".to_owned()]));
        assert_eq!(order(Act::Get, ""), Some(vec!["xy".to_owned()]));
        assert_eq!(order(Act::Keys, ""), Some(vec!["k".to_owned()]));
        assert_eq!(order(Act::Delete, ""), Some(vec![]));
        assert_eq!(order(Act::Exists, ""), Some(vec!["false".to_owned()]));
        assert_eq!(order(Act::Increment, "4"), Some(vec!["4".to_owned()]));
    }
}
