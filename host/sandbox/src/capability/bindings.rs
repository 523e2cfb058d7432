//! The interfaces of `wit/capabilities.wit`, as Rust types.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "lovage:task/capabilities",
    imports: {
        "wasi:config/store": trappable,
        default: async | trappable,
    },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:keyvalue/store.bucket": super::keyvalue::Bucket,
        "wasi:keyvalue/atomics.cas": super::keyvalue::Cas,
        "wasi:blobstore/types.outgoing-value": super::blob::OutgoingValue,
        "wasi:blobstore/types.incoming-value": super::blob::IncomingValue,
        "wasi:blobstore/container.container": super::blobstore::Container,
        "wasi:blobstore/container.stream-object-names": super::blobstore::Names,
    },
});

pub(crate) use lovage::task::secrets;
pub(crate) use wasi::{blobstore, config, keyvalue};
