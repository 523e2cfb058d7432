//! `lovage:task/secrets`: values that only a granted task gets, and that are taken out of everything it says.

use super::bindings::secrets::{self, SecretError};
use super::prepared::mixed_up;
use crate::attempt::cell::Cell;
use crate::attempt::services::{Answer, Ask, Refusal};
use lovage_job::secret::SecretBytes;
use wasmtime::component::{HasSelf, Linker};

pub(super) fn init(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    secrets::add_to_linker::<Cell, HasSelf<Cell>>(linker, |cell| cell)
}

impl Cell {
    async fn secret(&mut self, name: String) -> Result<Option<SecretBytes>, Refusal> {
        if !self.capable.grants().secrets.iter().any(|granted| granted.as_str() == name) {
            let shown: String = name.chars().take(60).collect();
            return Err(Refusal::Denied(format!("the task was not granted secret {shown:?}")));
        }
        let value = match self.capable.ask(Ask::Secret(name.clone())).await? {
            Answer::Secret(value) => value,
            _ => return Err(mixed_up()),
        };
        // before the guest has it: what cannot be taken out of its log is not given to it
        if let Some(value) = &value
            && !self.capable.given().add(&name, value)
        {
            return Err(Refusal::Limit("the attempt was given as many values of secrets as it may".to_owned()));
        }
        Ok(value)
    }
}

impl secrets::Host for Cell {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<Option<Vec<u8>>, SecretError>> {
        let value = self.secret(name).await;
        Ok(value.map(|value| value.map(|value| value.reveal().to_vec())).map_err(|refusal| match refusal {
            Refusal::Denied(text) => SecretError::Denied(text),
            Refusal::Limit(text) | Refusal::Invalid(text) => SecretError::Limit(text),
            Refusal::Unavailable(text) => SecretError::Unavailable(text),
        }))
    }
}
