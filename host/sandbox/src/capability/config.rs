//! `wasi:config`: what a task is configured with, from its grants.

use super::bindings::config::store::{self, Error};
use crate::attempt::cell::Cell;
use wasmtime::component::{HasSelf, Linker};

pub(super) fn init(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    store::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)
}

impl store::Host for Cell {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.capable.grants().config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        Ok(Ok(self.capable.grants().config.clone().into_iter().collect()))
    }
}
