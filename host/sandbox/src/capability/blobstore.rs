//! `wasi:blobstore`: containers of the tenant that the task was granted. A container is there as soon as it is granted.

use super::bindings::blobstore::types::{ContainerMetadata, ObjectId, ObjectMetadata};
use super::bindings::blobstore::{blobstore, container, types};
use super::blob::{IncomingValue, OutgoingValue};
use super::prepared::{mixed_up, told};
use crate::attempt::cell::Cell;
use crate::attempt::host_memory::Hold;
use crate::attempt::services::{Answer, Ask, BlobAsk, Refusal};
use lovage_job::storage::{BLOB_BYTES_MAX, check_batch, check_key};
use std::fmt::Display;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

/// An open container: its name, which the task was granted.
#[derive(Clone)]
pub struct Container(String);

/// Names that the guest has not read yet.
pub struct Names {
    rest: std::vec::IntoIter<String>,
    _hold: Hold,
}

pub(super) fn init(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    types::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)?;
    container::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)?;
    blobstore::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)
}

fn limit(limit: impl Display) -> Refusal {
    Refusal::Limit(limit.to_string())
}

impl Cell {
    fn granted(&self, name: &str) -> Result<Container, Refusal> {
        if self.capable.grants().blobstore.iter().any(|granted| granted.as_str() == name) {
            return Ok(Container(name.to_owned()));
        }
        let shown: String = name.chars().take(60).collect();
        Err(Refusal::Denied(format!("the task was not granted container {shown:?}")))
    }

    async fn blob(&mut self, container: &Container, ask: BlobAsk) -> Result<Answer, Refusal> {
        self.capable.ask(Ask::Blob { container: container.0.clone(), ask }).await
    }

    async fn open_container(&mut self, name: &str) -> Result<Container, Refusal> {
        let container = self.granted(name)?;
        self.blob(&container, BlobAsk::Open).await?;
        Ok(container)
    }

    /// Size and time of a blob, where there is one.
    async fn look(&mut self, container: &Container, name: &str) -> Result<Option<(u64, u64)>, Refusal> {
        check_key(name).map_err(limit)?;
        match self.blob(container, BlobAsk::Info(name.to_owned())).await? {
            Answer::Info(info) => Ok(info),
            _ => Err(mixed_up()),
        }
    }

    /// A part of a blob. Its size is asked first, so that memory is held before it comes.
    async fn read(
        &mut self,
        container: &Container,
        name: String,
        start: u64,
        end: u64,
    ) -> Result<IncomingValue, Refusal> {
        let missing = || Refusal::Invalid(format!("there is no blob {name:?}"));
        let (size, _) = self.look(container, &name).await?.ok_or_else(missing)?;
        let length = size.min(end.saturating_add(1)).saturating_sub(start);
        let length = usize::try_from(length).ok().filter(|length| *length <= BLOB_BYTES_MAX);
        let length = length.ok_or_else(|| limit(format!("{size} bytes are more than a blob has")))?;
        let hold = self.capable.hold(length)?;
        match self.blob(container, BlobAsk::Get(name.clone(), start, end)).await? {
            // one that was replaced meanwhile may be larger than what is held for it
            Answer::Bytes(Some(bytes)) if bytes.len() <= length => Ok(IncomingValue::new(bytes, hold)),
            Answer::Bytes(Some(_)) => Err(Refusal::Unavailable(format!("blob {name:?} was replaced meanwhile"))),
            Answer::Bytes(None) => Err(missing()),
            _ => Err(mixed_up()),
        }
    }

    async fn store(&mut self, value: &OutgoingValue) -> Result<(), Refusal> {
        let Some((container, name)) = value.target.clone() else {
            return Err(Refusal::Invalid("no container was told its name: write-data comes before finish".to_owned()));
        };
        let bytes = value.close();
        self.capable.check_stored(&bytes)?;
        self.blob(&Container(container), BlobAsk::Put(name, bytes)).await.map(|_| ())
    }

    async fn names(&mut self, container: &Container) -> Result<Names, Refusal> {
        match self.blob(container, BlobAsk::List).await? {
            Answer::Names(names, _) => {
                let hold = self.capable.hold(names.iter().map(String::len).sum())?;
                Ok(Names { rest: names.into_iter(), _hold: hold })
            }
            _ => Err(mixed_up()),
        }
    }

    async fn remove(&mut self, container: &Container, names: Vec<String>) -> Result<(), Refusal> {
        check_batch(names.len()).map_err(limit)?;
        for name in names {
            check_key(&name).map_err(limit)?;
            self.blob(container, BlobAsk::Delete(name)).await?;
        }
        Ok(())
    }

    async fn copy(&mut self, from: ObjectId, to: ObjectId, and_remove: bool) -> Result<(), Refusal> {
        let (source, target) = (self.granted(&from.container)?, self.granted(&to.container)?);
        check_key(&to.object).map_err(limit)?;
        let same = from.container == to.container && from.object == to.object;
        let value = self.read(&source, from.object.clone(), 0, u64::MAX).await?;
        if same {
            return Ok(());
        }
        self.blob(&target, BlobAsk::Put(to.object, value.into_bytes())).await?;
        if and_remove {
            self.blob(&source, BlobAsk::Delete(from.object)).await?;
        }
        Ok(())
    }
}

impl types::Host for Cell {}

impl types::HostOutgoingValue for Cell {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        let hold = self.capable.hold(0).map_err(|refusal| wasmtime::Error::msg(told(refusal)))?;
        Ok(self.table.push(OutgoingValue::new(hold))?)
    }

    async fn outgoing_value_write_body(
        &mut self,
        this: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let value = self.table.get_mut(&this)?;
        if std::mem::replace(&mut value.taken, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(value.stream());
        Ok(Ok(self.table.push(stream)?))
    }

    async fn finish(&mut self, this: Resource<OutgoingValue>) -> wasmtime::Result<Result<(), String>> {
        let value = self.table.delete(this)?;
        Ok(self.store(&value).await.map_err(told))
    }

    async fn drop(&mut self, this: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl types::HostIncomingValue for Cell {
    async fn incoming_value_consume_sync(
        &mut self,
        this: Resource<IncomingValue>,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        Ok(Ok(self.table.delete(this)?.into_bytes()))
    }

    async fn incoming_value_consume_async(
        &mut self,
        this: Resource<IncomingValue>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, String>> {
        let stream: DynInputStream = Box::new(self.table.delete(this)?.into_stream());
        Ok(Ok(self.table.push(stream)?))
    }

    async fn size(&mut self, this: Resource<IncomingValue>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.size())
    }

    async fn drop(&mut self, this: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl container::Host for Cell {}

impl container::HostContainer for Cell {
    async fn name(&mut self, this: Resource<Container>) -> wasmtime::Result<Result<String, String>> {
        Ok(Ok(self.table.get(&this)?.0.clone()))
    }

    async fn info(&mut self, this: Resource<Container>) -> wasmtime::Result<Result<ContainerMetadata, String>> {
        let container = self.table.get(&this)?.clone();
        Ok(match self.blob(&container, BlobAsk::Open).await {
            Ok(Answer::Info(info)) => {
                let created_at = info.map_or(0, |(_, created_ms)| created_ms / 1_000);
                Ok(ContainerMetadata { name: container.0, created_at })
            }
            Ok(_) => Err(told(mixed_up())),
            Err(refusal) => Err(told(refusal)),
        })
    }

    async fn get_data(
        &mut self,
        this: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> wasmtime::Result<Result<Resource<IncomingValue>, String>> {
        let container = self.table.get(&this)?.clone();
        Ok(match self.read(&container, name, start, end).await {
            Ok(value) => Ok(self.table.push(value)?),
            Err(refusal) => Err(told(refusal)),
        })
    }

    async fn write_data(
        &mut self,
        this: Resource<Container>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<(), String>> {
        if let Err(much) = check_key(&name).map_err(limit).and_then(|()| self.capable.check_stored(name.as_bytes())) {
            return Ok(Err(told(much)));
        }
        let container = self.table.get(&this)?.clone();
        self.table.get_mut(&data)?.target = Some((container.0, name));
        Ok(Ok(()))
    }

    async fn list_objects(&mut self, this: Resource<Container>) -> wasmtime::Result<Result<Resource<Names>, String>> {
        let container = self.table.get(&this)?.clone();
        Ok(match self.names(&container).await {
            Ok(names) => Ok(self.table.push(names)?),
            Err(refusal) => Err(told(refusal)),
        })
    }

    async fn delete_object(&mut self, this: Resource<Container>, name: String) -> wasmtime::Result<Result<(), String>> {
        let container = self.table.get(&this)?.clone();
        Ok(self.remove(&container, vec![name]).await.map_err(told))
    }

    async fn delete_objects(
        &mut self,
        this: Resource<Container>,
        names: Vec<String>,
    ) -> wasmtime::Result<Result<(), String>> {
        let container = self.table.get(&this)?.clone();
        Ok(self.remove(&container, names).await.map_err(told))
    }

    async fn has_object(&mut self, this: Resource<Container>, name: String) -> wasmtime::Result<Result<bool, String>> {
        let container = self.table.get(&this)?.clone();
        Ok(self.look(&container, &name).await.map(|info| info.is_some()).map_err(told))
    }

    async fn object_info(
        &mut self,
        this: Resource<Container>,
        name: String,
    ) -> wasmtime::Result<Result<ObjectMetadata, String>> {
        let container = self.table.get(&this)?.clone();
        Ok(match self.look(&container, &name).await {
            Ok(Some((size, put_ms))) => {
                Ok(ObjectMetadata { name, container: container.0, created_at: put_ms / 1_000, size })
            }
            Ok(None) => Err(format!("there is no blob {name:?}")),
            Err(refusal) => Err(told(refusal)),
        })
    }

    async fn clear(&mut self, this: Resource<Container>) -> wasmtime::Result<Result<(), String>> {
        let container = self.table.get(&this)?.clone();
        Ok(self.blob(&container, BlobAsk::Clear).await.map(|_| ()).map_err(told))
    }

    async fn drop(&mut self, this: Resource<Container>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for Cell {
    async fn read_stream_object_names(
        &mut self,
        this: Resource<Names>,
        len: u64,
    ) -> wasmtime::Result<Result<(Vec<String>, bool), String>> {
        let names = self.table.get_mut(&this)?;
        let read = names.rest.by_ref().take(usize::try_from(len).unwrap_or(usize::MAX)).collect();
        Ok(Ok((read, names.rest.as_slice().is_empty())))
    }

    async fn skip_stream_object_names(
        &mut self,
        this: Resource<Names>,
        num: u64,
    ) -> wasmtime::Result<Result<(u64, bool), String>> {
        let names = self.table.get_mut(&this)?;
        let skipped = names.rest.by_ref().take(usize::try_from(num).unwrap_or(usize::MAX)).count();
        Ok(Ok((u64::try_from(skipped).unwrap_or(u64::MAX), names.rest.as_slice().is_empty())))
    }

    async fn drop(&mut self, this: Resource<Names>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl blobstore::Host for Cell {
    async fn create_container(&mut self, name: String) -> wasmtime::Result<Result<Resource<Container>, String>> {
        self.get_container(name).await
    }

    async fn get_container(&mut self, name: String) -> wasmtime::Result<Result<Resource<Container>, String>> {
        Ok(match self.open_container(&name).await {
            Ok(container) => Ok(self.table.push(container)?),
            Err(refusal) => Err(told(refusal)),
        })
    }

    async fn delete_container(&mut self, name: String) -> wasmtime::Result<Result<(), String>> {
        let container = match self.granted(&name) {
            Ok(container) => container,
            Err(refusal) => return Ok(Err(told(refusal))),
        };
        Ok(self.blob(&container, BlobAsk::Clear).await.map(|_| ()).map_err(told))
    }

    async fn container_exists(&mut self, name: String) -> wasmtime::Result<Result<bool, String>> {
        Ok(Ok(self.granted(&name).is_ok()))
    }

    async fn copy_object(&mut self, src: ObjectId, dest: ObjectId) -> wasmtime::Result<Result<(), String>> {
        Ok(self.copy(src, dest, false).await.map_err(told))
    }

    async fn move_object(&mut self, src: ObjectId, dest: ObjectId) -> wasmtime::Result<Result<(), String>> {
        Ok(self.copy(src, dest, true).await.map_err(told))
    }
}
