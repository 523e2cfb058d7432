//! Keeps files for other jobs: blobs in a container that the task was granted, here `--allow blobstore=shelf` and, to copy
//! from one to the other, `--allow blobstore=attic`.

use lovage_task::{Bytes, Job, TaskError, blobs, payload, task};

/// Where `store` keeps what it gets.
const CONTAINER: &str = "shelf";

/// Keeps the input under the name in the header `Name`.
#[task]
fn store(job: &Job, body: Bytes) -> Result<u64, TaskError> {
    let name = job.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("name")).map(|(_, value)| value.as_str());
    let name = name.ok_or_else(|| TaskError::bad_input("the header Name is missing"))?;
    let shelf = blobs::open(CONTAINER)?;
    shelf.put(name, &body).map_err(TaskError::permanent)?;
    Ok(shelf.size(name)?.unwrap_or(0))
}

#[payload]
#[derive(Clone, Copy)]
enum Act {
    Get,
    Put,
    Size,
    List,
    Delete,
    Clear,
    /// To the container in `value`, under the same name.
    Copy,
}

#[payload]
struct Order {
    container: String,
    act: Act,
    name: Option<String>,
    /// What is put, or where it is copied to.
    value: Option<String>,
    /// The first and the last byte that is read.
    range: Option<(u64, u64)>,
}

/// Does one thing to a container and tells what came of it.
#[task]
fn shelf(order: Order) -> Result<Vec<String>, TaskError> {
    let container = blobs::open(&order.container).map_err(TaskError::permanent)?;
    act(&container, &order).map_err(TaskError::permanent)
}

fn act(container: &blobs::Container, order: &Order) -> Result<Vec<String>, blobs::BlobError> {
    let name = order.name.as_deref().unwrap_or_default();
    let value = order.value.as_deref().unwrap_or_default();
    let (first, last) = order.range.unwrap_or((0, u64::MAX));
    match order.act {
        Act::Get => {
            let found = container.get_range(name, first..=last)?;
            return Ok(found.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect());
        }
        Act::Put => container.put(name, value.as_bytes())?,
        Act::Size => return Ok(container.size(name)?.into_iter().map(|size| size.to_string()).collect()),
        Act::List => return container.list(),
        Act::Delete => container.delete(name)?,
        Act::Clear => container.clear()?,
        Act::Copy => container.copy(name, &blobs::open(value)?, name)?,
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_again() {
        let order = |act, value: &str, range| {
            let (container, name) = ("shelf".to_owned(), Some("a".to_owned()));
            shelf(Order { container, act, name, value: Some(value.to_owned()), range }).ok()
        };
        assert_eq!(order(Act::Put, "hello", None), Some(vec![]));
        assert_eq!(order(Act::Get, "", Some((1, 2))), Some(vec!["el".to_owned()]));
        assert_eq!(order(Act::Size, "", None), Some(vec!["5".to_owned()]));
        assert_eq!(order(Act::List, "", None), Some(vec!["a".to_owned()]));
        assert_eq!(order(Act::Delete, "", None), Some(vec![]));
        assert_eq!(order(Act::Get, "", None), Some(vec![]));
    }
}
